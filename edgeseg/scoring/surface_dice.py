"""Surface Dice: the share of two masks' surfaces that lies within a tolerance of the other.

Eight voxels meet at a grid point; where some are inside and some outside, a surface element
passes between them. Which of the eight are inside is the point's *neighbour code*, one bit a
voxel. The element is what marching cubes cut out of the cube around the point, so its area follows
from code and spacing alone. KiTS takes areas and distances from the package ``surface-distance``;
these agree with it for every code.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise, product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Spacing: TypeAlias = tuple[float, float, float]
"""Distances of voxels along the three axes of an array, in mm."""

_Point: TypeAlias = tuple[float, ...]
_Triangle: TypeAlias = tuple[_Point, _Point, _Point]
_INSIDE = 255
_CORNERS = tuple(product((0, 1), repeat=3))


def surface_dice(
    truth: NDArray[np.bool_], prediction: NDArray[np.bool_], spacing: Spacing, tolerance: float
) -> float:
    """Return the share of both surfaces that lies within a tolerance of the other one, by area.

    Both empty gives 1, one empty gives 0, as the KiTS challenge counts. Memory is a few bytes for
    each voxel of the box around both masks.

    Parameters
    ----------
    truth, prediction
        3-D masks of one shape.
    spacing
        Distances of voxels along each axis, in mm.
    tolerance
        Largest distance in mm, itself included, at which elements count as overlapping.

    Raises
    ------
    ValueError
        If the masks are not 3-D or their shapes differ.

    References
    ----------
    Nikolov et al., "Deep learning to achieve clinically applicable segmentation of head and neck
    anatomy for radiotherapy", arXiv:1809.04430.
    """
    if truth.ndim != 3 or truth.shape != prediction.shape:
        raise ValueError(f"masks of {truth.shape} and {prediction.shape} can't be compared")
    filled = bool(truth.any()), bool(prediction.any())
    if not all(filled):
        return float(filled[0] == filled[1])
    box = bounding_box(truth | prediction)
    reach = [int(tolerance / extent) + 1 for extent in spacing]
    codes = [_surface_codes(mask[box], reach) for mask in (truth, prediction)]
    steps = _steps(spacing, tolerance, reach, codes[0].shape)
    true_surface, predicted_surface = (code.ravel() for code in codes)
    areas = element_areas(spacing)
    near_true, all_true = _near_area(true_surface, predicted_surface, steps, areas)
    near_predicted, all_predicted = _near_area(predicted_surface, true_surface, steps, areas)
    return (near_true + near_predicted) / (all_true + all_predicted)


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the index of the smallest box that holds the mask; an empty mask has an empty box."""
    box = []
    for axis in range(mask.ndim):
        other_axes = tuple(number for number in range(mask.ndim) if number != axis)
        filled = np.flatnonzero(mask.any(axis=other_axes))
        box.append(slice(int(filled[0]), int(filled[-1]) + 1) if filled.size else slice(0, 0))
    return tuple(box)


def element_areas(spacing: Spacing) -> NDArray[np.float64]:
    """Return the area in mm^2 of the surface element of each neighbour code, (256,).

    Bit ``4 x + 2 y + z`` of a code tells whether the voxel at (x, y, z), each 0 or 1, is inside.
    """
    areas: NDArray[np.float64] = _areas(_triangles() * np.array(spacing)).sum(axis=1)
    return areas


def _surface_codes(mask: NDArray[np.bool_], reach: Sequence[int]) -> NDArray[np.uint8]:
    """Return the neighbour codes of all grid points, 0 off the surface, with a margin of reach."""
    padded = np.pad(mask, [(extent + 1, extent + 1) for extent in reach]).view(np.uint8)
    codes = np.zeros([extent - 1 for extent in padded.shape], np.uint8)
    for bit, corner in enumerate(_CORNERS):
        area = tuple(
            slice(start, start + extent) for start, extent in zip(corner, codes.shape, strict=True)
        )
        codes |= padded[area] << np.uint8(bit)
    codes[codes == _INSIDE] = 0
    return codes


def _steps(
    spacing: Spacing, tolerance: float, reach: Sequence[int], shape: tuple[int, ...]
) -> list[int]:
    """Return the steps in a flat array of that shape to all points within tolerance, near first."""
    offsets = np.array(list(product(*(range(-extent, extent + 1) for extent in reach))))
    distances = np.linalg.norm(offsets * np.array(spacing), axis=1)
    order = np.argsort(distances, kind="stable")
    near = offsets[order[distances[order] <= tolerance]]
    flat: list[int] = (near @ np.array([shape[1] * shape[2], shape[2], 1])).tolist()
    return flat


def _near_area(
    surface: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    steps: Sequence[int],
    areas: NDArray[np.float64],
) -> tuple[float, float]:
    """Return the area in mm^2 of a surface that is near the reference, and its whole area."""
    far = np.flatnonzero(surface)
    total = float(areas[surface[far]].sum())
    for step in steps:
        far = far[reference[far + step] == 0]
    return total - float(areas[surface[far]].sum()), total


@cache
def _triangles() -> NDArray[np.float64]:
    """Return the element of every code in the unit cube, (256, triangle, vertex, axis).

    No element has more than four triangles; unused ones have no area.
    """
    table = np.zeros((256, 4, 3, 3))
    for code in range(256):
        # A code and its complement have the same surface: the rarer kind of corner decides.
        rarer = code if code.bit_count() <= 4 else _INSIDE - code
        for number, triangle in enumerate(t for loop in _loops(rarer) for t in _widest_fan(loop)):
            table[code, number] = triangle
    return table


def _loops(code: int) -> Iterator[list[_Point]]:
    """Yield the closed lines in which the surface crosses the cube's faces, by their vertices.

    Vertices are the middles of edges. On a face whose diagonals differ, inside corners stay apart.
    """
    inside = {corner for bit, corner in enumerate(_CORNERS) if code >> bit & 1}
    follow: dict[_Point, _Point] = {}
    for ring in _rings():
        if ring[0] in inside and ring[-1] not in inside:
            end = next(place for place, corner in enumerate(ring) if corner not in inside)
            follow[_middle(ring[-1], ring[0])] = _middle(ring[end - 1], ring[end])
    while follow:
        vertex, loop = next(iter(follow)), []
        while vertex in follow:
            loop.append(vertex)
            vertex = follow.pop(vertex)
        yield loop


def _rings() -> Iterator[tuple[_Point, ...]]:
    """Yield the corners round each face from each start, all faces in one sense from outside."""
    for axis, side, start in product(range(3), (0, 1), range(4)):
        square = ((0, 0), (1, 0), (1, 1), (0, 1))[:: 1 if side else -1]
        faced = [(side, *place) for place in square[start:] + square[:start]]
        yield tuple((*corner[3 - axis :], *corner[: 3 - axis]) for corner in faced)


def _middle(start: _Point, end: _Point) -> _Point:
    return tuple((a + b) / 2 for a, b in zip(start, end, strict=True))


def _widest_fan(loop: list[_Point]) -> list[_Triangle]:
    """Split a loop into triangles at the vertex that gives the largest area in the unit cube.

    Bent loops leave the choice open; ``surface-distance`` chooses the same.
    """
    fans = [
        [(loop[apex], *side) for side in pairwise(loop[apex + 1 :] + loop[:apex])]
        for apex in range(len(loop))
    ]
    return max(fans, key=lambda fan: float(_areas(np.array(fan)).sum()))


def _areas(triangles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the areas of triangles (..., vertex, axis)."""
    first, second, third = (triangles[..., vertex, :] for vertex in range(3))
    areas: NDArray[np.float64] = np.linalg.norm(np.cross(second - first, third - first), axis=-1)
    return areas / 2
