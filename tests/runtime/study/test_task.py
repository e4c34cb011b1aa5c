"""The task of one volume: what it needs on its machine, and how its mask is called."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgeseg.errors import BoardError
from edgeseg_runtime.study.task import _check_shared, _ending


def test_a_machine_without_the_files_says_so(tmp_path: Path) -> None:
    """It is no fault of the volume: elsewhere it may be done."""
    missing = tmp_path / "ct.nii.gz"
    with pytest.raises(BoardError, match=f"has no {missing}; share bundle, inputs and output"):
        _check_shared(str(missing))
    missing.touch()
    _check_shared(str(missing))


@pytest.mark.parametrize(
    ("windowed", "name", "ending"),
    [(False, "ct.nii", ".nii.gz"), (False, "", ".nii.gz"), (True, "", ""), (True, "1.png", ".png")],
)
def test_a_mask_is_stored_as_its_scan_is(
    tmp_path: Path, *, windowed: bool, name: str, ending: str
) -> None:
    scan: Any = SimpleNamespace(windowed=windowed)
    assert _ending(scan, tmp_path / name) == ending
