"""The grid of a NIfTI's voxels, in the order of the file and in display orientation."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from edgeseg.errors import VolumeError
from edgeseg.imaging.nifti_file import READABLE, opened_nifti
from edgeseg.imaging.slices import SliceGeometry

_DISPLAY = axcodes2ornt(("S", "P", "L"))
_AXES = ("slices", "rows", "columns")
_MILLIMETRES = {"meter": 1e3, "micron": 1e-3}
"""In one unit of a header, where that is no millimetre."""


@dataclass(frozen=True, eq=False)
class Grid:
    """The grid of a volume; display orientation is that of :class:`edgeseg.imaging.scan.Slices`.

    Attributes
    ----------
    shape
        The three extents as stored.
    affine
        4x4, from voxel indices of the file to RAS+ mm.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]

    @cached_property
    def orientation(self) -> NDArray[np.float64]:
        """How nibabel turns display orientation into the file's."""
        return np.asarray(ornt_transform(_DISPLAY, io_orientation(self.affine)))

    @cached_property
    def to_file(self) -> NDArray[np.float64]:
        """4x4, from (slice, row, column) to voxel indices of the file."""
        to_display = ornt_transform(io_orientation(self.affine), _DISPLAY)
        return np.asarray(inv_ornt_aff(to_display, self.shape))

    @property
    def to_mm(self) -> NDArray[np.float64]:
        """4x4, from (slice, row, column) to RAS+ mm."""
        return self.affine @ self.to_file

    @cached_property
    def extents(self) -> tuple[int, int, int]:
        """Numbers of slices, rows and columns."""
        slices, rows, cols = (self.shape[int(axis)] for axis in self.orientation[:, 0])
        return slices, rows, cols

    @cached_property
    def spacing(self) -> tuple[float, float, float]:
        """Distances in mm of slices, rows and columns."""
        slice_mm, row_mm, col_mm = np.linalg.norm(self.to_mm[:3, :3], axis=0).tolist()
        return slice_mm, row_mm, col_mm

    @property
    def slice_mm(self) -> float:
        """Distance of the planes of neighbouring slices in mm: less than their step if tilted."""
        _, row_mm, col_mm = self.spacing
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / (row_mm * col_mm)

    @cached_property
    def geometry(self) -> SliceGeometry:
        """Size and spacing of every slice."""
        return SliceGeometry(*self.extents[1:], *self.spacing[1:])

    @property
    def numbers(self) -> range:
        """The number of each slice as the file counts from 0, from feet to head."""
        step = int(self.to_file[:3, 0].sum())
        return range(self.extents[0])[::step]

    def slice_name(self, index: int) -> str:
        """Return what to call a slice, counted from the feet: its number as the file counts."""
        return f"slice {self.numbers[index]}"

    def mismatch(self, other: "Grid", tolerance_mm: float) -> str | None:
        """Return how this grid differs from another, or None where all voxels coincide.

        Both are compared in display orientation, whatever order the files store.

        Parameters
        ----------
        other
            The grid to compare with.
        tolerance_mm
            How far voxels of the same index may lie apart.
        """
        if self.extents != other.extents:
            return size_mismatch(self.extents, other.extents)
        # Of a single slice, the corners one voxel on make its thickness count.
        ends = [(0, max(1, extent - 1)) for extent in self.extents]
        corners = np.array([(*corner, 1) for corner in product(*ends)]).T
        apart = np.linalg.norm(((self.to_mm - other.to_mm) @ corners)[:3], axis=0).max()
        if apart <= tolerance_mm:
            return None
        if not np.allclose(self.spacing, other.spacing, 1e-3, 0):
            return f"its spacing is {_by(self.spacing)} mm and not {_by(other.spacing)} mm"
        return f"its corners lie up to {apart:.3g} mm elsewhere"


def size_mismatch(extents: tuple[int, ...], expected: tuple[int, ...]) -> str | None:
    """Return how two sizes differ: (slices, rows, columns), or (rows, columns) of a picture."""
    if extents == expected:
        return None
    return f"it has {_in_words(extents)} and not {_in_words(expected)}"


def read_grid(path: Path) -> Grid:
    """Read the header of a NIfTI; no voxel is read.

    Raises
    ------
    VolumeError
        If its header can't be read, or as for :func:`grid_of`.
    """
    with as_volume_error(path), opened_nifti(path) as (image, _):
        return grid_of(image, path)


def grid_of(image: Any, path: Path) -> Grid:
    """Return the grid of an image that nibabel opened.

    Raises
    ------
    VolumeError
        If it has no three axes or several frames, is empty, is no grey image, or has
        a singular affine.
    """
    shape = tuple(int(extent) for extent in image.shape)
    if len(shape) < 3:
        raise VolumeError(f"{path} is {len(shape)}-D; give a 3-D volume, or one slice as a PNG")
    if any(extent < 1 for extent in shape):
        raise VolumeError(f"{path} is empty: its shape is {shape}; export the scan again")
    if any(extent > 1 for extent in shape[3:]):
        raise VolumeError(f"{path} has several frames: its shape is {shape}; save one as 3-D")
    if image.get_data_dtype().kind not in "iuf":
        raise VolumeError(f"{path} holds colours or complex numbers; give a CT volume in HU")
    affine = _affine_mm(image)
    if not _is_regular(affine):
        raise VolumeError(f"{path} has a singular affine; repair its qform and sform, then retry")
    return Grid(shape[:3], affine)


def has_orientation(header: Any) -> bool:
    """Tell whether a NIfTI header says where the patient lies: one of its two codes is set."""
    return int(header["qform_code"]) > 0 or int(header["sform_code"]) > 0


def _affine_mm(image: Any) -> NDArray[np.float64]:
    """Return the affine of an image in mm: its sform, or the qform where that is unusable.

    The unit of a header is metre, millimetre or micron (NIfTI-1.1, ``xyzt_units``); one that is not
    stated is taken for millimetre, as everybody does.
    """
    affine = np.array(image.affine, np.float64)
    if not _is_regular(affine) and int(image.header["qform_code"]) > 0:
        affine = _qform(image.header)
    affine[:3] *= _MILLIMETRES.get(image.header.get_xyzt_units()[0], 1.0)
    return affine


def repair_sform(header: Any) -> None:
    """Replace an sform that is no affine by the qform that was read in its place.

    Most readers prefer the sform, and would find the mask elsewhere than its scan, or nowhere.
    """
    if int(header["sform_code"]) > 0 and not _is_regular(np.asarray(header.get_sform())):
        header.set_sform(_qform(header), int(header["qform_code"]))


def _qform(header: Any) -> NDArray[np.float64]:
    return np.array(header.get_qform(), np.float64)


def _is_regular(affine: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(affine).all() and np.linalg.matrix_rank(affine[:3, :3]) == 3)


@contextmanager
def as_volume_error(path: Path) -> Iterator[None]:
    """Turn what keeps nibabel from reading a file into a VolumeError of one line."""
    try:
        yield
    except FileNotFoundError:
        raise VolumeError(f"{path} does not exist; {READABLE}") from None
    except ImageFileError:
        raise VolumeError(f"{path} is no NIfTI; {READABLE}") from None
    except MemoryError:
        raise VolumeError(f"{path} is too large for this machine's memory; crop it") from None
    except (OSError, EOFError, zlib.error, ValueError, HeaderDataError) as error:
        reason = " ".join(str(error).split())
        raise VolumeError(f"{path} is truncated or damaged ({reason}); copy it again") from None


def _in_words(extents: tuple[int, ...]) -> str:
    words = zip(extents, _AXES[-len(extents) :], strict=True)
    return ", ".join(f"{extent} {axis}" for extent, axis in words)


def _by(spacing: tuple[float, ...]) -> str:
    return " x ".join(f"{extent:.4g}" for extent in spacing)
