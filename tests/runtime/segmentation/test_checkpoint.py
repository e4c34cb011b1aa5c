"""Masks are kept whole or not at all, for their own run alone."""

import os
import resource
import stat
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifests import chain_manifest

from edgeseg.errors import OutputError, UsageError
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.segmentation.checkpoint import Checkpoint, checkpoint_key
from edgeseg_runtime.segmentation.checkpoint_file import CheckpointKey

_RUN = CheckpointKey("m", "b", "s", 9)
_MASKS = [np.random.default_rng(n).integers(0, 4, (7, 5 + n), np.uint8) for n in range(3)]


def _checkpoint(folder: Path, run: CheckpointKey = _RUN, *, resume: bool = True) -> Checkpoint:
    return Checkpoint(folder / "mask.nii.gz", run, resume=resume, tell=print)


def _filled(folder: Path) -> Path:
    with _checkpoint(folder) as checkpoint:
        for index, mask in enumerate(_MASKS):
            checkpoint.keep(index, mask)
    return checkpoint.path


def _same(masks: dict[int, Any], count: int = len(_MASKS)) -> None:
    assert sorted(masks) == list(range(count))
    for index, mask in masks.items():
        np.testing.assert_array_equal(mask, _MASKS[index])


def test_masks_come_back(tmp_path: Path) -> None:
    path = _filled(tmp_path)
    assert path == tmp_path / "mask.nii.gz.partial"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with _checkpoint(tmp_path) as reopened:
        _same(reopened.slices)
        reopened.keep(7, _MASKS[0])
    with _checkpoint(tmp_path) as once_more:
        assert sorted(once_more.slices) == [0, 1, 2, 7]
        once_more.remove()
    assert not path.exists()


def test_probabilities_come_back(tmp_path: Path) -> None:
    run = CheckpointKey("m", "b", "s", 9, probabilities=True)
    planes = np.random.default_rng(1).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    with _checkpoint(tmp_path, run) as checkpoint:
        for index, plane in enumerate(planes):
            checkpoint.keep(index, plane)
    with _checkpoint(tmp_path, run) as reopened:
        for index, plane in enumerate(planes):
            assert np.array_equal(reopened.slices[index], plane)
    with pytest.raises(UsageError, match="another scan or bundle"):
        _checkpoint(tmp_path)


def test_masks_are_there_before_the_file_is_closed(tmp_path: Path) -> None:
    """As after SIGKILL: nothing waits in this process."""
    with _checkpoint(tmp_path) as checkpoint:
        checkpoint.keep(0, _MASKS[0])
        copy = tmp_path / "copy.partial"
        copy.write_bytes(checkpoint.path.read_bytes())
    with Checkpoint(tmp_path / "copy", _RUN, resume=True, tell=print) as content:
        _same(content.slices, 1)


def test_a_file_without_a_mask_is_removed(tmp_path: Path) -> None:
    with _checkpoint(tmp_path, resume=False) as checkpoint:
        assert checkpoint.path.exists()
    assert not checkpoint.path.exists()


def test_hours_of_work_are_not_overwritten(tmp_path: Path) -> None:
    content = _filled(tmp_path).read_bytes()
    with pytest.raises(UsageError, match=r"holds 3 of 9 slices.*add resume"):
        _checkpoint(tmp_path, resume=False)
    assert _filled(tmp_path).read_bytes().startswith(content)


@pytest.mark.parametrize("field", ["model_sha256", "manifest_sha256", "scan_sha256"])
@pytest.mark.parametrize("resume", [True, False])
def test_what_belongs_to_another_run_is_not_touched(
    tmp_path: Path, field: str, *, resume: bool
) -> None:
    path = _filled(tmp_path)
    content = path.read_bytes()
    with pytest.raises(UsageError, match="holds slices of another scan or bundle"):
        _checkpoint(tmp_path, msgspec.structs.replace(_RUN, **{field: "x"}), resume=resume)
    assert path.read_bytes() == content


def test_a_file_that_is_no_checkpoint_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "mask.nii.gz.partial"
    path.write_text("notes of a doctor")
    with pytest.raises(UsageError, match="is no checkpoint"):
        _checkpoint(tmp_path)
    assert path.read_text() == "notes of a doctor"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mask.nii.gz.partial").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="can't write"):
        _checkpoint(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    with _checkpoint(tmp_path), pytest.raises(OutputError, match="another run writes"):
        _checkpoint(tmp_path)


def test_whatever_is_cut_off_the_rest_is_there(tmp_path: Path) -> None:
    """A process may be killed at any byte; what comes after is appended to what is whole."""
    path = _filled(tmp_path)
    content, counts = path.read_bytes(), []
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with _checkpoint(tmp_path) as checkpoint:
            _same(checkpoint.slices, len(checkpoint.slices))
            counts.append(len(checkpoint.slices))
            checkpoint.keep(len(checkpoint.slices), _MASKS[len(checkpoint.slices)])
        with _checkpoint(tmp_path) as reopened:
            _same(reopened.slices, counts[-1] + 1)
    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2}


@given(st.data())
def test_a_changed_byte_costs_its_slice_and_those_after(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("changed")
    path = _filled(folder)
    content = bytearray(path.read_bytes())
    # The line that says what the file is stands before all frames.
    where = data.draw(st.integers(16, len(content) - 1))
    content[where] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with _checkpoint(folder) as checkpoint:
        _same(checkpoint.slices, len(checkpoint.slices))
        assert len(checkpoint.slices) < len(_MASKS)


def test_a_disk_that_is_full_at_the_start_is_told_in_a_line(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
    try:
        with pytest.raises(OutputError, match=r"can't write .*\.partial: .*; free some space"):
            _checkpoint(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_slices_reach_the_disk_itself_every_few_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut costs seconds of work; more would hold up the boards where disks are slow."""
    synced, real = [], os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)
        real(descriptor)

    with _checkpoint(tmp_path) as checkpoint:
        monkeypatch.setattr(os, "fsync", fsync)
        for index in range(20):
            checkpoint.keep(index, _MASKS[0])
        assert not synced
        checkpoint._synced_at -= 60
        checkpoint.keep(20, _MASKS[0])
        checkpoint.keep(21, _MASKS[0])
        assert len(synced) == 1
    assert synced[-1] == checkpoint.path.stat().st_size


def test_a_full_disk_does_not_end_the_run(tmp_path: Path) -> None:
    notes: list[str] = []
    with Checkpoint(tmp_path / "mask.nii", _RUN, resume=False, tell=notes.append) as checkpoint:
        checkpoint.keep(0, _MASKS[0])
        full = Path("/dev/full").open("r+b", buffering=0)  # noqa: SIM115 - the checkpoint's now
        assert checkpoint._file is not None
        checkpoint._file.close()
        checkpoint._file = full
        checkpoint.keep(1, _MASKS[1])
        checkpoint.keep(2, _MASKS[2])
        _same(checkpoint.slices)
    assert len(notes) == 1
    assert "no space left" in notes[0]


class _Slices:
    """Two slices of given values."""

    def __init__(self, *values: int, spacing: float = 1.0, windowed: bool = False) -> None:
        self.voxels = [np.full((4, 4), value, np.int16) for value in values]
        self.windowed = windowed
        self._spacing = spacing

    def __len__(self) -> int:
        return len(self.voxels)

    def slice(self, index: int) -> Any:
        return self.voxels[index]

    def geometry(self, _index: int) -> SliceGeometry:
        return SliceGeometry(4, 4, self._spacing, self._spacing)


def test_a_run_is_known_by_its_model_bundle_and_voxels() -> None:
    manifest = chain_manifest([1, 2])
    key = checkpoint_key(manifest, _Slices(1, 2))
    assert key == checkpoint_key(manifest, _Slices(1, 2))
    others = [
        checkpoint_key(chain_manifest([1, 3]), _Slices(1, 2)),
        checkpoint_key(manifest, _Slices(2, 1)),
        checkpoint_key(manifest, _Slices(1, 2, 3)),
        checkpoint_key(manifest, _Slices(1, 2, spacing=2.0)),
        checkpoint_key(manifest, _Slices(1, 2, windowed=True)),
    ]
    assert key not in others
