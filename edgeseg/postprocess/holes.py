"""Holes of a region, filled slice by slice."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edgeseg.imaging.slices import Mask
from edgeseg.postprocess.bodies import box_of, membership


def fill_holes(masks: Sequence[Mask], values: Sequence[int], most_pixels: float) -> list[Mask]:
    """Fill background that the region encloses within a slice, with the first of the values.

    Parameters
    ----------
    masks
        One label image (rows, columns) a slice.
    values
        Label values; their union is the region.
    most_pixels
        Pixels that a hole may have; larger ones stay.
    """
    table, result = membership(values), list(masks)
    for index, mask in enumerate(masks):
        box = box_of(mask)
        holes = _holes(table[mask[box]], most_pixels) & (mask[box] == 0)
        if holes.any():
            filled = mask.copy()
            filled[box][holes] = values[0]
            result[index] = filled
    return result


def _holes(region: NDArray[np.bool_], most_pixels: float) -> NDArray[np.bool_]:
    """Return the enclosed parts of what is not the region (connected through sides), small ones."""
    outside, count = ndimage.label(np.pad(~region, 1, constant_values=True))
    small = np.bincount(outside.ravel(), minlength=count + 1) <= most_pixels
    small[[0, outside[0, 0]]] = False
    return np.asarray(small[outside[1:-1, 1:-1]])
