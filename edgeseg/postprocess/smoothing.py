"""Smooths probabilities along the slices, before labels are decided."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

_REACH = 3.0
"""Standard deviations of a Gaussian beyond which nothing counts."""


def smoothed(
    probabilities: Sequence[NDArray[np.uint8]], sigma: float
) -> Iterator[NDArray[np.uint8]]:
    """Yield each slice's probabilities as the weighted mean of its neighbours' and its own.

    Weights are a Gaussian's; at the ends of the scan those of the slices that exist count alone.

    Parameters
    ----------
    probabilities
        8-bit probabilities (H, W, channels) a slice, all of one shape.
    sigma
        Standard deviation, in slices.
    """
    # A scan states how thin its slices are: weights beyond its ends would be as many as it likes.
    reach = math.ceil(min(_REACH * sigma, len(probabilities) - 1))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    for index in range(len(probabilities)):
        first, last = max(0, index - reach), min(len(probabilities), index + reach + 1)
        own = weights[first - index + reach : last - index + reach]
        total = np.zeros(probabilities[index].shape, np.float32)
        for weight, plane in zip(own / own.sum(), probabilities[first:last], strict=True):
            total += np.float32(weight) * plane
        yield np.rint(total).astype(np.uint8)
