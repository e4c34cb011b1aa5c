"""Bodies: connected components of a region in a volume, found slice by slice in little memory.

Voxels of one slice are joined through sides and corners, voxels of neighbouring slices where one
lies on the other. Each slice is labelled by itself (``scipy.ndimage.label``); what overlaps from
slice to slice is an edge of a graph whose components are the bodies. Labels are kept in the
smallest type that holds them and only inside the region's box: at most twice the mask's bytes.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from edgeseg.imaging.slices import Mask

Box = tuple[slice, slice]
"""Rows and columns of a slice."""

_CORNERS = np.ones((3, 3), np.bool_)
_COUNTED = 2**16
"""Most codes of which each is counted."""
_EMPTY: Box = (slice(0, 0), slice(0, 0))


@dataclass(frozen=True, slots=True)
class SlicePatches:
    """The connected patches of one slice's region.

    ``patches`` is (rows, columns) of the box, 0 where the region is not; patch *p* belongs to node
    ``first + p - 1`` of the volume's graph.
    """

    index: int
    box: Box
    patches: NDArray[np.unsignedinteger[Any]]
    count: int
    first: int

    @property
    def nodes(self) -> slice:
        """The nodes of its patches in the volume's graph."""
        return slice(self.first, self.first + self.count)


@dataclass(frozen=True)
class Bodies:
    """The bodies of a region.

    ``body_of`` gives the body of each node; ``voxels``, ``counted`` (voxels of the values that were
    asked for), ``first_slice`` and ``last_slice`` are those of each body.
    """

    patches: tuple[SlicePatches, ...]
    body_of: NDArray[np.int32]
    voxels: NDArray[np.int64]
    counted: NDArray[np.int64]
    first_slice: NDArray[np.int64]
    last_slice: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of bodies."""
        return len(self.voxels)


def membership(values: Sequence[int]) -> NDArray[np.bool_]:
    """Return a table (256,) that tells of each label value whether it is one of these."""
    table = np.zeros(256, np.bool_)
    table[list(values)] = True
    return table


def box_of(region: NDArray[np.bool_] | Mask) -> Box:
    """Return the smallest box that holds a region (rows, columns), or an empty one."""
    rows = np.flatnonzero(region.any(axis=1))
    if not rows.size:
        return _EMPTY
    inside = slice(int(rows[0]), int(rows[-1]) + 1)
    cols = np.flatnonzero(region[inside].any(axis=0))
    return inside, slice(int(cols[0]), int(cols[-1]) + 1)


def find_bodies(
    masks: Sequence[Mask], values: Sequence[int], counted: Sequence[int] = ()
) -> Bodies:
    """Find the bodies of the region that some label values form.

    Parameters
    ----------
    masks
        One label image (rows, columns) a slice, all of one size.
    values
        Label values; their union is the region.
    counted
        Values of which each body's voxels are counted; by default all of the region's.
    """
    patches = tuple(_patches_of(masks, membership(values)))
    table = membership(counted)
    sizes = shares = [count_pixels(part) for part in patches]
    if counted:
        shares = [count_pixels(part, table[masks[part.index][part.box]]) for part in patches]
    slices = [np.full(part.count, part.index, np.int64) for part in patches]
    edges = [
        _overlaps(below, above)
        for below, above in itertools.pairwise(patches)
        if below.index == above.index - 1
    ]
    nodes = sum(part.count for part in patches)
    ends = np.concatenate(edges, axis=1) if edges else np.zeros((2, 0), np.int64)
    links = coo_array((np.ones(ends.shape[1], np.bool_), tuple(ends)), shape=(nodes, nodes))
    count, body_of = connected_components(links, directed=False) if nodes else (0, _concat([]))
    first, last = np.full(count, len(masks)), np.full(count, -1, np.int64)
    np.minimum.at(first, body_of, _concat(slices))
    np.maximum.at(last, body_of, _concat(slices))
    return Bodies(
        patches,
        body_of.astype(np.int32),
        _summed(body_of, sizes, count),
        _summed(body_of, shares, count),
        first,
        last,
    )


def without_bodies(masks: Sequence[Mask], bodies: Bodies, removed: NDArray[np.bool_]) -> list[Mask]:
    """Return masks in which some bodies are background; slices without them are the same arrays."""
    result = list(masks)
    for part in bodies.patches if removed.any() else ():
        gone = np.concatenate([[False], removed[bodies.body_of[part.nodes]]])
        if gone.any():
            mask = result[part.index].copy()
            mask[part.box][gone[part.patches]] = 0
            result[part.index] = mask
    return result


def _patches_of(masks: Sequence[Mask], table: NDArray[np.bool_]) -> Iterator[SlicePatches]:
    """Yield the patches of every slice that shows the region, from the first slice to the last."""
    first = 0
    for index, mask in enumerate(masks):
        outer = box_of(mask)
        if outer is _EMPTY:
            continue
        region = table[mask[outer]]
        inner = box_of(region)
        if inner is _EMPTY:
            continue
        patches, count = ndimage.label(region[inner], _CORNERS, output=np.int32)
        box = nested(outer, inner)
        yield SlicePatches(index, box, patches.astype(np.min_scalar_type(count)), count, first)
        first += count


def nested(outer: Box, inner: Box) -> Box:
    """Return a box that is given inside another one as a box of the slice."""
    rows, cols = (
        slice(out.start + part.start, out.start + part.stop)
        for out, part in zip(outer, inner, strict=True)
    )
    return rows, cols


def count_pixels(part: SlicePatches, inside: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """Count the pixels of each patch; those of a mask over the box alone, if one is given."""
    patches = part.patches.ravel() if inside is None else part.patches[inside]
    counts: NDArray[np.int64] = np.bincount(patches, minlength=part.count + 1)[1:]
    return counts


def _concat(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _distinct(codes: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Return the distinct codes below a limit, in order; counting beats sorting a small range."""
    if limit <= _COUNTED:
        return np.asarray(np.flatnonzero(np.bincount(codes, minlength=limit)), np.int64)
    return np.asarray(np.unique(codes), np.int64)


def _summed(
    body_of: NDArray[np.int32] | NDArray[np.int64], parts: Sequence[NDArray[np.int64]], count: int
) -> NDArray[np.int64]:
    sums = np.bincount(body_of, weights=_concat(parts), minlength=count)
    return np.asarray(sums, np.int64)


def _overlaps(below: SlicePatches, above: SlicePatches) -> NDArray[np.int64]:
    """Return pairs of nodes (2, N) of patches that lie on one another."""
    (top, bottom), (left, right) = (
        (max(a.start, b.start), min(a.stop, b.stop))
        for a, b in zip(below.box, above.box, strict=True)
    )
    if top >= bottom or left >= right:
        return np.zeros((2, 0), np.int64)
    lower, upper = (
        part.patches[
            top - part.box[0].start : bottom - part.box[0].start,
            left - part.box[1].start : right - part.box[1].start,
        ]
        for part in (below, above)
    )
    both = (lower > 0) & (upper > 0)
    codes = lower[both].astype(np.int64) * (above.count + 1) + upper[both]
    pairs = _distinct(codes, (below.count + 1) * (above.count + 1))
    nodes = np.stack(np.divmod(pairs, above.count + 1)) - 1
    return np.asarray(nodes + np.array([[below.first], [above.first]]), np.int64)
