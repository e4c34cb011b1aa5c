"""Where the voxels of a NIfTI lie, from its header alone."""

import zlib
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from edgeseg.errors import VolumeError
from edgeseg.slices import SliceGeometry

_DISPLAY = axcodes2ornt(("S", "P", "L"))
_SAME_PLACE = 0.1


@dataclass(frozen=True)
class Grid:
    """The grid of a volume as stored, and its slices as displayed.

    Attributes
    ----------
    shape
        The three extents as stored.
    affine
        4x4, from voxel indices of the file to RAS+ mm.
    numbers
        The number of each slice as the file counts, from feet to head.
    geometry
        Size and spacing of every slice.
    """

    path: Path
    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    numbers: range
    geometry: SliceGeometry


def read_grid(path: Path) -> Grid:
    """Read the header of a NIfTI; no voxel is read.

    Raises
    ------
    VolumeError
        If it is no NIfTI, is damaged, is no volume, or has a singular affine.
    """
    try:
        image: Any = nib.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, zlib.error, ValueError) as error:
        reason = " ".join(str(error).split())
        raise VolumeError(f"{path} is no NIfTI or is damaged ({reason}); copy it again") from None
    shape = tuple(map(int, image.shape))
    if len(shape) < 3 or max(shape[3:], default=1) > 1 or min(shape) < 1:
        raise VolumeError(f"{path} has the shape {shape}; give a volume of three axes")
    affine = np.asarray(image.affine, np.float64)
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise VolumeError(f"{path} has a singular affine; repair its qform and sform, then retry")
    return _grid(path, shape[:3], affine)


def check_same_grid(image: Grid, label: Grid) -> None:
    """Refuse a label whose voxels are not those of its image.

    Raises
    ------
    VolumeError
        If shapes differ, or any corner lies a tenth of a voxel or more apart.
    """
    if image.shape != label.shape:
        raise VolumeError(
            f"{image.path} is {_by(image.shape)} but its label {label.path} is "
            f"{_by(label.shape)}; sizes must agree"
        )
    corners = np.array([*product(*((0, extent - 1) for extent in image.shape))])
    moved = corners @ (label.affine - image.affine)[:3, :3].T
    apart = np.linalg.norm(moved + (label.affine - image.affine)[:3, 3], axis=1).max()
    if apart > _SAME_PLACE * np.linalg.norm(image.affine[:3, :3], axis=0).min():
        raise VolumeError(
            f"{image.path} and its label {label.path} lie up to {apart:.3g} mm apart; "
            "give both the same affine"
        )


def _grid(path: Path, shape: tuple[int, ...], affine: NDArray[np.float64]) -> Grid:
    """Work out the slices in display orientation."""
    to_display = ornt_transform(io_orientation(affine), _DISPLAY)
    to_file = inv_ornt_aff(to_display, shape)
    count, rows, cols = (shape[axis] for axis in to_display[:, 0].argsort())
    _, row_mm, col_mm = np.linalg.norm((affine @ to_file)[:3, :3], axis=0)
    from_head = to_file[:3, 0].sum() < 0
    numbers = range(count - 1, -1, -1) if from_head else range(count)
    geometry = SliceGeometry(rows, cols, float(row_mm), float(col_mm))
    return Grid(path, shape, affine, numbers, geometry)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
