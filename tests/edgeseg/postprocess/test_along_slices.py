"""Probabilities averaged along the slices."""

import numpy as np
import pytest
from scipy import ndimage

from edgeseg.postprocess.along_slices import smooth_probabilities


@pytest.mark.parametrize("sigma", [0.2, 0.7, 1.5])
def test_weights_are_those_of_a_gaussian(sigma: float) -> None:
    planes = np.random.default_rng(1).integers(0, 256, (9, 5, 6, 2), np.uint8)
    smoothed = np.stack(list(smooth_probabilities(planes, sigma)))
    inside = slice(int(3 * sigma), 9 - int(3 * sigma))
    expected = ndimage.gaussian_filter1d(
        planes.astype(np.float64), sigma, axis=0, radius=int(3 * sigma)
    )
    assert np.abs(smoothed[inside] - expected[inside]).max() <= 0.5 + 1e-3


def test_one_half_everywhere_stays_one_half() -> None:
    planes = np.full((5, 2, 2, 1), 128, np.uint8)
    assert (np.stack(list(smooth_probabilities(planes, 2.0))) == 128).all()
