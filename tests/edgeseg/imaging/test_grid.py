"""Grids are told from headers alone, and are the same however the voxels are stored."""

import itertools
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform
from numpy.typing import NDArray
from synthetic_cases import IPL

from edgeseg.errors import VolumeError
from edgeseg.imaging.grid import Grid, read_grid
from edgeseg.imaging.slices import SliceGeometry

_SHAPE = (5, 20, 28)
_SHOWN = Grid(_SHAPE, IPL)
_ORIENTATIONS = [
    codes
    for axes in itertools.permutations(("RL", "AP", "IS"))
    for codes in itertools.product(*axes)
]


def _stored(codes: tuple[str, ...], shape: tuple[int, ...] = _SHAPE) -> Grid:
    """Return the same grid, stored along other axes."""
    turn = ornt_transform(axcodes2ornt(("I", "P", "L")), axcodes2ornt(codes))
    turned = tuple(shape[int(axis)] for axis in turn[:, 0].argsort())
    return Grid(turned, IPL @ inv_ornt_aff(turn, shape))


def _moved(row: int, column: int, by: float) -> NDArray[np.float64]:
    affine = IPL.copy()
    affine[row, column] += by
    return affine


@pytest.mark.parametrize("codes", _ORIENTATIONS, ids="".join)
def test_a_grid_is_the_same_however_it_is_stored(codes: tuple[str, ...]) -> None:
    """All 48 ways: slices run from feet to head, rows to posterior, columns to the left."""
    grid = _stored(codes)
    assert grid.extents == (5, 20, 28)
    assert grid.spacing == pytest.approx((2.5, 0.7, 0.8))
    assert grid.geometry == SliceGeometry(20, 28, *grid.spacing[1:])
    assert list(grid.numbers) == ([4, 3, 2, 1, 0] if "I" in codes else [0, 1, 2, 3, 4])
    shown = np.array([[0, 0, -0.8], [0, -0.7, 0], [2.5, 0, 0]])
    assert grid.to_mm[:3, :3] == pytest.approx(shown)
    assert grid.mismatch(_SHOWN, 1e-9) is None
    assert _SHOWN.mismatch(grid, 1e-9) is None


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Grid((4, 20, 28), IPL), "it has 5 slices, 20 rows, 28 columns and not 4 slices, "),
        (Grid(_SHAPE, _moved(1, 3, 0.3)), "its corners lie up to 0.3 mm elsewhere"),
        (Grid(_SHAPE, _moved(0, 0, 0.01)), "its corners lie up to 0.04 mm elsewhere"),
        (Grid(_SHAPE, _moved(1, 1, -0.1)), "its spacing is 2.5 x 0.7 x 0.8 mm and not 2.5 x 0.8 x"),
        (Grid(_SHAPE, np.diag([-1, 1, 1, 1]) @ IPL), "its corners lie up to "),
    ],
    ids=["size", "origin", "tilt", "spacing", "mirrored"],
)
def test_another_grid_is_told(other: Grid, words: str) -> None:
    assert str(_SHOWN.mismatch(other, 1e-3)).startswith(words)


@pytest.mark.parametrize("by", [0.3, 0.5, 2.0])
def test_the_tolerance_is_a_distance(by: float) -> None:
    """A change of spacing counts by how far it moves voxels."""
    moved, stretched = Grid(_SHAPE, _moved(1, 3, by)), Grid(_SHAPE, _moved(2, 0, by / 4))
    for other in (moved, stretched):
        assert _SHOWN.mismatch(other, by * 1.01) is None
        assert _SHOWN.mismatch(other, by * 0.99) is not None


def test_the_thickness_of_a_single_slice_counts() -> None:
    thin, thick = Grid((1, 20, 28), IPL), Grid((1, 20, 28), IPL @ np.diag([2, 1, 1, 1]))
    assert "its spacing is 2.5 x" in str(thin.mismatch(thick, 1e-3))


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_no_voxel_is_read(name: str, tmp_path: Path) -> None:
    """A file cut behind its header has its grid; a fourth axis of one is put aside."""
    noise = np.random.default_rng(0).integers(0, 255, (*_SHAPE, 1)).astype(np.uint8)
    nib.save(nib.Nifti1Image(noise, IPL), tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:1000])
    grid = read_grid(tmp_path / name)
    assert grid.shape == _SHAPE
    assert grid.mismatch(_SHOWN, 1e-6) is None


def _image(shape: tuple[int, ...], dtype: Any = np.int16) -> Any:
    return nib.Nifti1Image(np.zeros(shape, dtype), IPL)


def _without_place() -> Any:
    image = _image(_SHAPE)
    for row in ("srow_x", "srow_y", "srow_z"):
        image.header[row] = 0
    return nib.Nifti1Image(image.dataobj, None, image.header)


_RGB = [("R", "u1"), ("G", "u1"), ("B", "u1")]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (_image((4, 4)), "is 2-D; give a 3-D volume"),
        (_image((4, 4, 4, 2)), r"has several frames: its shape is \(4, 4, 4, 2\)"),
        (_image((0, 4, 4)), r"is empty: its shape is \(0, 4, 4\)"),
        (_image(_SHAPE, _RGB), "holds colours"),
        (_without_place(), "has a singular affine; repair"),
    ],
    ids=["2-D", "frames", "empty", "colours", "singular"],
)
def test_what_is_no_volume_is_refused(image: Any, message: str, tmp_path: Path) -> None:
    nib.save(image, tmp_path / "ct.nii")
    with pytest.raises(VolumeError, match=rf"ct\.nii {message}"):
        read_grid(tmp_path / "ct.nii")


def test_what_is_no_nifti_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ct.nii.gz"
    with pytest.raises(VolumeError, match="does not exist"):
        read_grid(path)
    path.write_text("no scan")
    with pytest.raises(VolumeError, match="is no NIfTI"):
        read_grid(path)
    other = tmp_path / "ct.mgz"
    nib.save(nib.MGHImage(np.zeros(_SHAPE, np.float32), IPL), other)
    with pytest.raises(VolumeError, match="is no NIfTI"):
        read_grid(other)
