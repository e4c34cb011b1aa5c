"""Rules that look along the slices: gaps bridged, and probabilities smoothed."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edgeseg.imaging.slices import Mask
from edgeseg.postprocess.bodies import box_of, membership

_REACH = 3.0
"""Gaussian weights are cut off beyond so many standard deviations."""


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


def smooth_probabilities(
    probabilities: Sequence[NDArray[np.uint8]], sigma_slices: float
) -> Iterator[NDArray[np.uint8]]:
    """Yield 8-bit probabilities averaged with Gaussian weights along the slices.

    At the ends of the scan the weights of the slices that are there are divided by their sum.

    Parameters
    ----------
    probabilities
        One array (H, W, channels) a slice, all of one size.
    sigma_slices
        Standard deviation of the weights, in slices.
    """
    reach = math.floor(_REACH * sigma_slices)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_slices) ** 2).astype(np.float32)
    for index in range(len(probabilities)):
        first, last = max(0, index - reach), min(len(probabilities), index + reach + 1)
        share = weights[first - index + reach : last - index + reach]
        total = np.zeros(probabilities[index].shape, np.float32)
        for weight, plane in zip(share / share.sum(), probabilities[first:last], strict=True):
            if plane.any():
                total += weight * plane
        yield np.floor(total + np.float32(0.5)).astype(np.uint8)
