"""Slices are sorted by position, and a series that is no even stack is refused with the place."""

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from dicom_copies import by_position, change, setting
from numpy.typing import NDArray

from edgeseg.errors import VolumeError
from edgeseg.imaging.dicom.scan import DicomScan
from edgeseg.imaging.formats import read_scan

_TILT = np.deg2rad(15)


def _read(path: Path) -> DicomScan:
    scan = read_scan(path)
    assert isinstance(scan, DicomScan)
    return scan


def _move(file: Path, to: NDArray[np.float64] | list[float]) -> None:
    change(file, setting(ImagePositionPatient=[float(mm) for mm in to]))


def test_names_and_numbers_do_not_count(small: Path) -> None:
    """The files' names are shuffled already; now their instance numbers are too."""
    before = _read(small)
    for number, file in enumerate(small.iterdir()):
        change(file, setting(InstanceNumber=number * 3 % 20))
    after = _read(small)
    assert np.array_equal(before.voxels, after.voxels)
    assert [plane.height for plane in after.planes] == [-804.5 + 2 * k for k in range(20)]


def test_a_name_is_the_number_of_the_scanner(small: Path) -> None:
    scan = _read(small)
    assert (scan.name(0), scan.name(19)) == ("image 286", "image 267")


def test_missing_slices_are_named(small: Path) -> None:
    files = by_position(small)
    for index in (4, 5, 11):
        files[index].unlink()
    with pytest.raises(VolumeError) as caught:
        read_scan(small)
    assert str(caught.value).endswith(
        "3 slices are missing between images 283 and 280 (-798.5 and -792.5 mm), between images "
        "276 and 274 (-784.5 and -780.5 mm); export the series again"
    )


def test_a_missing_slice_is_named(small: Path) -> None:
    by_position(small)[4].unlink()
    with pytest.raises(VolumeError, match="a slice is missing between images 283 and 281"):
        read_scan(small)


def test_uneven_slices_are_named(small: Path) -> None:
    for index, file in enumerate(by_position(small)[10:]):
        _move(file, [-249.5, -437.5, -784 + 1.5 * index])
    with pytest.raises(VolumeError, match=r"slices lie 2 mm apart, but 2.5 mm between images 277"):
        read_scan(small)


def test_one_slice_beside_the_line_is_refused(small: Path) -> None:
    _move(by_position(small)[7], [-240, -437.5, -790.5])
    with pytest.raises(VolumeError, match=r"image 279 lies 9\.51 mm beside the line of the others"):
        read_scan(small)


def test_rounded_positions_are_even_enough(small: Path) -> None:
    """Scanners write positions with one digit; slices of 1.25 mm then lie 1.2 or 1.3 mm apart."""
    for index, file in enumerate(by_position(small)):
        _move(file, [-249.5, -437.5, round(-800 + 1.25 * index, 1)])
    scan = _read(small)
    assert scan.warning is None
    assert scan.spacing[0] == pytest.approx(1.25, rel=5e-3)


def test_copies_are_left_out(small: Path) -> None:
    files = by_position(small)
    whole = _read(small)
    for index in (0, 9):
        change(files[index], setting(), small / f"copy{index}.dcm")
    scan = _read(small)
    assert scan.warning == "left out copies of slices (2)"
    assert np.array_equal(scan.voxels, whole.voxels)


def test_phases_in_one_series_are_refused(small: Path) -> None:
    def later(dataset: pydicom.Dataset) -> None:
        dataset.AcquisitionNumber = 15
        dataset.PixelData = bytes(len(dataset.PixelData))

    for file in by_position(small):
        change(file, later, small / f"later_{file.name}")
    with pytest.raises(
        VolumeError,
        match=r"20 positions show several different images \(acquisitions 14 and 15\), .*"
        r"; choose one with acquisition \(14 and 15\)",
    ):
        read_scan(small)


def _tilt(folder: Path) -> None:
    """Lean the gantry back: slices turn, and the table goes on along z."""
    rows = [0, np.cos(_TILT), np.sin(_TILT)]
    for file in by_position(folder):
        change(file, setting(ImageOrientationPatient=[1, 0, 0, *map(float, rows)]))


def test_a_tilted_gantry_is_kept_in_the_affine(small: Path, tmp_path: Path) -> None:
    upright = _read(small)
    _tilt(small)
    scan = _read(small)
    assert scan.warning is not None
    assert "tilted by 15.0 degrees" in scan.warning
    assert np.array_equal(scan.voxels, upright.voxels)
    scan.write(tmp_path / "mask.nii.gz", [np.eye(64, dtype=np.uint8)] * 20)
    mask = nib.load(tmp_path / "mask.nii.gz")
    # Every corner lies where DICOM says, though the axes are not at right angles.
    for k, plane in enumerate(scan.planes):
        right = plane.position + 63 * plane.spacing[1] * plane.directions[0]
        down = plane.position + 63 * plane.spacing[0] * plane.directions[1]
        for place, mm in (((0, 0), plane.position), ((63, 0), right), ((0, 63), down)):
            there = mask.affine @ (*place, k, 1)
            np.testing.assert_allclose(there[:3], mm * (-1, -1, 1), atol=1e-3)
    assert int(mask.header["qform_code"]) == 0
    volume = abs(np.linalg.det(mask.affine[:3, :3]))
    assert volume == pytest.approx(7.8125**2 * 2 * np.cos(_TILT), rel=1e-5)


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1)])
def test_a_voxel_keeps_its_place_in_any_orientation(
    axes: tuple[int, ...], signs: tuple[int, ...], small: Path
) -> None:
    """A series turned in space: what the affine says of a voxel is what its own slice says."""
    turn = np.eye(3)[list(axes)] * np.array(signs)[:, None]
    for file in small.iterdir():
        dataset = pydicom.dcmread(file)
        x, y = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3) @ turn.T
        dataset.ImageOrientationPatient = [*x, *y]
        dataset.ImagePositionPatient = list(turn @ np.array(dataset.ImagePositionPatient, float))
        dataset.save_as(file)
    scan = _read(small)
    for place in ((0, 0, 0), (3, 5, 7), tuple(extent - 1 for extent in scan.voxels.shape)):
        mm = (scan.affine @ scan.to_file @ (*place, 1))[:3] * (-1, -1, 1)
        plane = min(scan.planes, key=lambda plane: abs((mm - plane.position) @ plane.normal))
        dataset = pydicom.dcmread(small / plane.image.entry.name)
        col, row = (plane.directions @ (mm - plane.position)) / plane.spacing[::-1]
        stored = int(dataset.pixel_array[round(row), round(col)])
        assert scan.voxels[place] == stored - 1024
