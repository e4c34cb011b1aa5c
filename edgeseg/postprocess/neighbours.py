"""Which bodies of a region have voxels of another region at hand."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edgeseg.imaging.slices import Mask
from edgeseg.postprocess.bodies import Bodies, Box, membership, nested
from edgeseg.postprocess.voxel_size import VoxelSize


def joined_bodies(
    masks: Sequence[Mask],
    bodies: Bodies,
    others: Sequence[int],
    within_mm: float,
    voxel: VoxelSize,
) -> NDArray[np.bool_]:
    """Tell of each body whether it touches another region, or comes as near as some mm to it.

    Distances are those of voxel centres; voxels that share a side touch whatever their distance.
    """
    joined = np.zeros(len(bodies), np.bool_)
    table = membership(others)
    reach = max(1, math.floor(within_mm / voxel.slice_mm))
    for part in bodies.patches:
        for number, inner in enumerate(ndimage.find_objects(part.patches), start=1):
            body = bodies.body_of[part.first + number - 1]
            if not joined[body]:
                patch = _Patch(part.index, nested(part.box, inner), part.patches[inner] == number)
                joined[body] = _touches(patch, table, masks[part.index]) or any(
                    _is_near(patch, table, masks[index], radius, voxel)
                    for index, radius in _reached(part.index, reach, len(masks), within_mm, voxel)
                )
    return joined


@dataclass(frozen=True, slots=True)
class _Patch:
    """A connected part of a slice's region: its box, and which pixels of that."""

    index: int
    box: Box
    pixels: NDArray[np.bool_]


def _reached(
    index: int, reach: int, slices: int, within_mm: float, voxel: VoxelSize
) -> Iterator[tuple[int, float]]:
    """Yield the slices that a joined voxel may be in, and how far it may be in their plane (mm)."""
    for other in range(max(0, index - reach), min(slices, index + reach + 1)):
        radius = _radius(abs(other - index), within_mm, voxel)
        if radius is not None:
            yield other, radius


def _radius(steps: int, within_mm: float, voxel: VoxelSize) -> float | None:
    """Return how far in a slice so many steps away voxels are joined (mm), or None: nowhere."""
    apart = steps * voxel.slice_mm
    if apart <= within_mm:
        return math.sqrt(within_mm**2 - apart**2)
    return 0.0 if steps <= 1 else None


def _is_near(
    patch: _Patch, table: NDArray[np.bool_], mask: Mask, radius: float, voxel: VoxelSize
) -> bool:
    """Tell whether a voxel of the other region in a slice is on a patch, beside it or in reach."""
    rows = math.floor(radius / voxel.row_mm + 1e-6)
    cols = math.floor(radius / voxel.col_mm + 1e-6)
    wide, inner = _widened(patch.box, max(rows, 1), max(cols, 1), mask.shape)
    other = table[mask[wide]]
    if not other.any():
        return False
    if (other[inner] & patch.pixels).any():
        return True
    distance = ndimage.distance_transform_edt(~other, sampling=(voxel.row_mm, voxel.col_mm))
    return bool((distance[inner][patch.pixels] <= radius * (1 + 1e-6)).any())


def _touches(patch: _Patch, table: NDArray[np.bool_], mask: Mask) -> bool:
    """Tell whether a voxel of the other region shares a side with a patch of the same slice."""
    wide, inner = _widened(patch.box, 1, 1, mask.shape)
    other = table[mask[wide]]
    return bool(other.any() and (ndimage.binary_dilation(other)[inner] & patch.pixels).any())


def _widened(box: Box, rows: int, cols: int, shape: tuple[int, ...]) -> tuple[Box, Box]:
    """Return a box with a margin inside a slice, and the old box's place in it."""
    (top, left), (height, width) = (axis.start for axis in box), shape
    first = max(0, top - rows), max(0, left - cols)
    last = min(height, box[0].stop + rows), min(width, box[1].stop + cols)
    wide = slice(first[0], last[0]), slice(first[1], last[1])
    inner = (
        slice(top - first[0], box[0].stop - first[0]),
        slice(left - first[1], box[1].stop - first[1]),
    )
    return wide, inner
