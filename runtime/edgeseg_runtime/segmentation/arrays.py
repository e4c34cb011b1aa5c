"""Scans that are given as arrays, paths or open scans: all as slices."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import VolumeError
from edgeseg.imaging.formats import read_scan
from edgeseg.imaging.scan import Slices
from edgeseg.imaging.slices import SliceGeometry


@dataclass(frozen=True)
class _Array:
    """An array of HU as slices."""

    voxels: NDArray[Any]
    spacing_mm: tuple[float, float] | None
    slice_mm: float | None = None
    windowed: bool = False
    warning: None = None

    def __len__(self) -> int:
        return len(self.voxels)

    def slice(self, index: int) -> NDArray[Any]:
        image: NDArray[Any] = self.voxels[index]
        return image

    def name(self, index: int) -> str:
        return f"slice {index}"

    def geometry(self, _index: int) -> SliceGeometry:
        rows, cols = self.voxels.shape[1:]
        return SliceGeometry(rows, cols, *(self.spacing_mm or (None, None)))


def as_slices(
    scan: Slices | Path | str | NDArray[Any],
    spacing_mm: tuple[float, float] | None,
    slice_mm: float | None = None,
) -> Slices:
    """Return a scan as slices.

    Parameters
    ----------
    scan
        An open scan, the path of one, or HU as an array (rows, columns) or (slices, rows,
        columns).
    spacing_mm
        Row and column spacing of an array's pixels; unknown if left out.
    slice_mm
        Distance of an array's slices; unknown if left out.

    Raises
    ------
    VolumeError
        If it can't be used.
    """
    if isinstance(scan, (str, Path)):
        return read_scan(Path(scan))
    if not isinstance(scan, np.ndarray):
        return scan
    voxels = scan[np.newaxis] if scan.ndim == 2 else scan
    if voxels.ndim != 3 or not voxels.size or voxels.dtype.kind not in "iuf":
        raise VolumeError(
            f"an array of shape {scan.shape} and type {scan.dtype} is no scan; give numbers as "
            "(rows, cols) or (slices, rows, cols)"
        )
    if not np.isfinite(voxels).all():
        raise VolumeError("the array holds NaN or infinite values; replace them, by -1024 for air")
    return _Array(voxels, spacing_mm, slice_mm)
