"""Gaps of a region along the slices, bridged."""

from collections.abc import Sequence

import numpy as np

from edgeseg.imaging.slices import Mask
from edgeseg.postprocess.bodies import box_of, membership


def bridge_gaps(masks: Sequence[Mask], values: Sequence[int], most_slices: int) -> list[Mask]:
    """Fill background between two slices that both show a region at the same pixel.

    Parameters
    ----------
    masks
        One label image (rows, columns) a slice, all of one size.
    values
        Label values; their union is the region.
    most_slices
        Slices that a gap may have; 0 changes nothing.
    """
    result = list(masks)
    if most_slices < 1 or not masks:
        return result
    table = membership(values)
    last_seen = np.full(masks[0].shape, -most_slices - 2, np.int32)
    for index, mask in enumerate(masks):
        box = box_of(mask)
        region = table[mask[box]]
        seen = last_seen[box]
        gaps = np.where(region, index - 1 - seen, 0)
        for gap in np.unique(gaps[(gaps > 0) & (gaps <= most_slices)]).tolist():
            for between in range(index - gap, index):
                filled = result[between].copy()
                pixels = (gaps == gap) & (filled[box] == 0)
                filled[box][pixels] = mask[box][pixels]
                result[between] = filled
        seen[region] = index
    return result
