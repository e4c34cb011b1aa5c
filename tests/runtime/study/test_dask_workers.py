"""How a machine is divided among the workers of a study."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.bundle.bundle_file import Bundle
from edgeseg_runtime.study.dask_workers import (
    divide_machine,
    group_head_specs,
    local_worker_specs,
)

_GIB = 2**30


@pytest.mark.parametrize(
    ("machine", "count", "cores_each"),
    [
        ((4, 16 * _GIB, 100, _GIB // 2), 4, 1),
        ((8, 16 * _GIB, 3, _GIB // 2), 3, 2),  # one each
        ((8, 4 * _GIB, 100, _GIB // 2), 3, 2),  # as many as there is memory for
        ((4, _GIB // 2, 100, _GIB), 1, 4),  # one is tried in any case
    ],
)
def test_there_are_as_many_workers_as_can_be_used(
    machine: tuple[int, int, int, int], count: int, cores_each: int
) -> None:
    specs = divide_machine(*machine)
    assert len(specs) == count
    assert {spec.cores for spec in specs} == {cores_each}
    assert {spec.boards for spec in specs} == {None}


@given(st.integers(1, 64), st.integers(_GIB, 64 * _GIB), st.integers(1, 999), st.integers(1, _GIB))
def test_they_never_have_more_than_the_machine(
    cores: int, available: int, volumes: int, need: int
) -> None:
    specs = divide_machine(cores, available, volumes, need)
    assert sum(spec.cores for spec in specs) <= cores
    assert sum(spec.memory_limit for spec in specs) <= available * 4 // 5
    assert len(specs) == 1 or all(spec.memory_limit >= 2 * need for spec in specs)


def test_a_large_volume_gets_a_larger_share(tiny_bundle: Path, tmp_path: Path) -> None:
    """By its header alone: nothing of it is read."""
    manifest = Bundle(tiny_bundle).manifest
    small, large = tmp_path / "small.nii", tmp_path / "large.nii"
    image: Any = nib.Nifti1Image(np.zeros((8, 8, 8), np.int16), np.eye(4))
    nib.save(image, small)
    content = bytearray(small.read_bytes())
    content[42:48] = np.array([2048, 2048, 30000], "<i2").tobytes()  # a terabyte
    large.write_bytes(content)
    several = [small] * 64
    assert len(local_worker_specs(manifest, [*several, large])) == 1
    assert len(local_worker_specs(manifest, several)) >= 1
    (tmp_path / "broken.nii").write_bytes(b"hello")
    assert local_worker_specs(manifest, [tmp_path, tmp_path / "broken.nii"])


def test_every_group_has_a_head(tmp_path: Path) -> None:
    first, second = group_head_specs([tmp_path / "a.toml", Path("b.toml")])
    assert first.resources == second.resources == {"GROUP": 1}
    assert first.environment == {"EDGESEG_BOARDS": str(tmp_path / "a.toml")}
    assert Path(second.environment["EDGESEG_BOARDS"]).is_absolute()
    assert first.cores == 1
