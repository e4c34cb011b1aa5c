"""The task of one volume: what it needs on its machine."""

from pathlib import Path

import pytest

from edgeseg.errors import BoardError
from edgeseg_runtime.study.task import _check_shared


def test_a_machine_without_the_files_says_so(tmp_path: Path) -> None:
    """It is no fault of the volume: elsewhere it may be done."""
    missing = tmp_path / "ct.nii.gz"
    with pytest.raises(BoardError, match=f"has no {missing}; share bundle, inputs and output"):
        _check_shared(str(missing))
    missing.touch()
    _check_shared(str(missing))
