"""A scan whose values can't be HU is told, whatever made them so; a CT is not."""

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from edgeseg.imaging.hounsfield import notes_on
from edgeseg.imaging.levels import Hounsfield
from edgeseg.imaging.nifti import NiftiScan, read_volume

_AFFINE = np.diag([-3.0, -3.0, 3.0, 1.0])


def _drawn(air: int = -1000) -> NDArray[np.int16]:
    """Return (columns, rows, slices): a body of noisy soft tissue with fat and bone, in air."""
    x, y, _ = np.mgrid[-1:1:48j, -1:1:48j, -1:1:8j]
    hu = np.full(x.shape, air)
    hu[np.hypot(x, y) < 0.8] = -90
    hu[np.hypot(x, y) < 0.7] = 40
    hu[np.hypot(x, y - 0.5) < 0.1] = 700
    noise = np.random.default_rng(5).integers(-30, 31, x.shape)
    return np.asarray(hu + noise, np.int16)


def _scan(path: Path, voxels: NDArray[np.generic]) -> NiftiScan:
    nib.save(nib.Nifti1Image(voxels, _AFFINE), path / "ct.nii")
    return read_volume(path / "ct.nii")


class _Counted:
    """Slices of a scan, of which it counts those that were read."""

    warning = None
    windowed = False

    def __init__(self, scan: NiftiScan) -> None:
        self.scan, self.read = scan, 0
        self.geometry, self.name, self.slice_mm = scan.geometry, scan.name, scan.slice_mm

    def __len__(self) -> int:
        return len(self.scan)

    def slice(self, index: int) -> Hounsfield:
        self.read += 1
        return self.scan.slice(index)


def _scaled(hu: NDArray[np.int16], low: float, high: float) -> NDArray[np.float32]:
    return ((hu.clip(-1000, 1000) + 1000.0) / 2000 * (high - low) + low).astype(np.float32)


def _standardized(hu: NDArray[np.int16]) -> NDArray[np.float32]:
    return ((hu - hu.mean()) / hu.std()).astype(np.float32)


@pytest.mark.parametrize(
    ("voxels", "said"),
    [
        (_drawn() + np.int16(1024), r"between -6 and 1754, .*they look like HU \+ 1024"),
        ((_drawn() + 1024).clip(0).astype(np.uint16), r"they look like HU \+ 1024"),
        (_scaled(_drawn(), 0, 1), "between 0 and .*scaled to the range of a model"),
        (_scaled(_drawn(), -1, 1), "between -1 and .*scaled to the range of a model"),
        (_scaled(_drawn(), 0, 255), "as those of a picture do"),
        (_scaled(_drawn(), 0, 255).astype(np.uint8), "as those of a picture do"),
        (_standardized(_drawn()), "nothing below -200, where a CT has air"),
        (_drawn().clip(-160, 240), "nothing below -200, where a CT has air"),
    ],
)
def test_values_that_are_no_hu_are_told(
    voxels: NDArray[np.generic], said: str, tmp_path: Path
) -> None:
    (note,) = notes_on(_scan(tmp_path, voxels))
    assert note.startswith("is this CT in HU? its values lie ")
    assert "\n" not in note
    assert re.search(said, note)


def test_fill_outside_of_the_scan_is_not_taken_for_air(tmp_path: Path) -> None:
    """As a resampled scan has it (no numbers, read as air), and a scanner's circle of padding."""
    scaled, raised = _scaled(_drawn(), 0, 1), _drawn() + np.int16(1024)
    scaled[:4], raised[:4] = np.nan, -2000
    *_, note = notes_on(_scan(tmp_path, scaled))
    assert "scaled to the range of a model" in note
    (note,) = notes_on(_scan(tmp_path, raised))
    assert "look like HU + 1024" in note


def test_streaks_of_metal_do_not_stand_for_air(tmp_path: Path) -> None:
    raised = _drawn() + np.int16(1024)
    raised[20, 20, 4] = -700
    (note,) = notes_on(_scan(tmp_path, raised))
    assert "look like HU + 1024" in note


@pytest.mark.parametrize("air", [-1000, -1024, -2048, -32768])
def test_a_ct_is_not_doubted(air: int, tmp_path: Path) -> None:
    """Whatever its air was set to."""
    assert notes_on(_scan(tmp_path, _drawn(air).clip(-32768, 3071))) == ()
    flat = np.where(_drawn(air) < -500, air, 40).astype(np.int16)
    assert notes_on(_scan(tmp_path, flat)) == ()


def test_a_scan_of_one_value_has_nothing_to_doubt(tmp_path: Path) -> None:
    assert notes_on(_scan(tmp_path, np.zeros((8, 8, 3), np.int16))) == ()


def test_slices_are_read_until_there_is_air(tmp_path: Path) -> None:
    ct, doubtful = _drawn(), _drawn() + np.int16(1024)
    for voxels, read in ((ct, 1), (doubtful, 8)):
        counted = _Counted(_scan(tmp_path, voxels))
        notes_on(counted)
        assert counted.read == read
