"""Scan and masks for a browser: reduced to a size that a page can hold, as NIfTI in RAS+."""

import base64
import gzip
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgeseg.imaging.levels import Grey, Hounsfield
from edgeseg.imaging.scan import Scan
from edgeseg.imaging.slices import Mask

MAX_IN_PLANE = 256
MAX_SLICES = 400
_EXACT_VOXELS = 4_000_000
_COARSE_HU = 4
"""Steps of HU in a large scan: fine beside its noise, and half the bytes."""

_RANGE_HU = (-1024, 3071)

PageSpacing: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True)
class PageVoxels:
    """A scan and its masks on one grid.

    Attributes
    ----------
    image
        (columns, rows, slices), int16: HU over ``step``, or grey. The order is RAS+, left to
        right, posterior to anterior, feet to head.
    mask
        Label values on the same grid, uint8.
    spacing
        Distances in mm of columns, rows and slices; 1 where they are unknown.
    numbers
        Of each slice, its number in the scan, from 1 at the feet.
    step
        HU of one unit of the image.
    factor
        How many pixels of the scan a pixel is wide.
    """

    image: NDArray[np.int16]
    mask: Mask
    spacing: PageSpacing
    numbers: tuple[int, ...]
    step: int
    factor: float

    @property
    def image_base64(self) -> str:
        """The scan as ``.nii.gz`` in Base64."""
        return _packed(self.image, self.spacing, self.step)

    @property
    def mask_base64(self) -> str:
        """The masks as ``.nii.gz`` in Base64."""
        return _packed(self.mask, self.spacing, 1)


def browser_voxels(scan: Scan, masks: Sequence[Mask]) -> PageVoxels:
    """Return a scan and its masks in a size that a page can hold.

    In the plane pixels are averaged to 256 at most, of the masks the nearest is taken. Beyond 400
    slices evenly spread ones are left out; HU of a large scan go in steps of 4.

    Parameters
    ----------
    scan, masks
        The scan and one mask (rows, columns) for each of its slices. Pictures of several sizes
        are centred on a common canvas.
    """
    sizes = [(g.rows, g.cols) for g in (scan.geometry(i) for i in range(len(scan)))]
    rows, cols = (max(extents) for extents in zip(*sizes, strict=True))
    factor = max(1.0, max(rows, cols) / MAX_IN_PLANE)
    shape = (max(1, round(rows / factor)), max(1, round(cols / factor)))
    indices = _spread(len(scan), MAX_SLICES)
    image = np.empty((len(indices), *shape), np.int16)
    mask = np.empty(image.shape, np.uint8)
    step = 1 if scan.windowed or image.size <= _EXACT_VOXELS else _COARSE_HU
    for place, index in enumerate(indices):
        whole = _on_canvas(scan.slice(index), (rows, cols))
        image[place] = _levels(_averaged(whole, shape), step)
        mask[place] = _nearest(_on_canvas(masks[index], (rows, cols)), shape)
    slice_mm, row_mm, col_mm = _spacing(scan)
    return PageVoxels(
        image=_to_ras(image),
        mask=_to_ras(mask),
        spacing=(
            col_mm * cols / shape[1],
            row_mm * rows / shape[0],
            slice_mm * len(scan) / len(indices),
        ),
        numbers=tuple(index + 1 for index in indices),
        step=step,
        factor=factor,
    )


def _spread(count: int, max_count: int) -> tuple[int, ...]:
    if count <= max_count:
        return tuple(range(count))
    return tuple(math.floor((place + 0.5) * count / max_count) for place in range(max_count))


def _spacing(scan: Scan) -> PageSpacing:
    """Return the distances in mm of slices, rows and columns."""
    if scan.affine is None:
        return 1.0, 1.0, 1.0
    to_mm = scan.affine @ scan.to_file
    slice_mm, row_mm, col_mm = np.linalg.norm(to_mm[:3, :3], axis=0).tolist()
    return slice_mm, row_mm, col_mm


def _on_canvas(image: Hounsfield | Grey, size: tuple[int, int]) -> NDArray[Any]:
    """Return a picture centred on a black canvas of that size."""
    if image.shape == size:
        return image
    canvas = np.zeros(size, image.dtype)
    top, left = ((all_ - own) // 2 for all_, own in zip(size, image.shape, strict=True))
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas


def _averaged(image: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.float32]:
    if image.shape == shape:
        return image.astype(np.float32)
    picture = Image.fromarray(np.ascontiguousarray(image, np.float32))
    return np.asarray(picture.resize(shape[::-1], Image.Resampling.BOX))


def _nearest(mask: Mask, shape: tuple[int, int]) -> Mask:
    picture = Image.fromarray(np.ascontiguousarray(mask))
    return np.asarray(picture.resize(shape[::-1], Image.Resampling.NEAREST))


def _levels(image: NDArray[np.float32], step: int) -> NDArray[np.int16]:
    return np.rint(np.clip(image, *_RANGE_HU) / step).astype(np.int16)


def _to_ras(display: NDArray[Any]) -> NDArray[Any]:
    """Turn (slices, rows, columns) as displayed into the order of RAS+."""
    return display[:, ::-1, ::-1].transpose(2, 1, 0)


def _packed(voxels: NDArray[Any], spacing: PageSpacing, step: int) -> str:
    image: Any = nib.Nifti1Image(voxels, np.diag((*spacing, 1.0)))
    image.header.set_slope_inter(step, 0)
    return base64.b64encode(gzip.compress(image.to_bytes(), 6, mtime=0)).decode()
