"""Augmented slices stay slices: shape, range and air; every image comes up once an epoch."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg_converters.compress.augmentation import Pixels, augment, batches


def body(height: int, width: int, channels: int = 1) -> Pixels:
    """Draw a grey body with a brighter square, air around it."""
    image = np.zeros((height, width, channels), np.float32)
    image[height // 4 : -height // 4, width // 4 : -width // 4] = 0.4
    image[height // 3 : height // 2, width // 3 : width // 2] = 0.8
    return image


@given(st.integers(8, 40), st.integers(8, 40), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_shape_and_range_stay(height: int, width: int, channels: int, seed: int) -> None:
    image = body(height, width, channels)
    changed = augment(image, np.random.default_rng(seed))
    assert changed.shape == image.shape
    assert changed.dtype == np.float32
    assert 0 <= changed.min() <= changed.max() <= 1
    assert not np.array_equal(changed, image)


def test_air_stays_air_and_tissue_tissue() -> None:
    rng = np.random.default_rng(0)
    assert not augment(np.zeros((16, 16, 1), np.float32), rng).any()
    for _ in range(20):
        changed = augment(body(64, 64), rng)
        corner = np.concatenate([changed[:4, :4], changed[-4:, -4:]])
        assert not corner.any()
        assert changed[28:36, 28:36].mean() > 0.2


def test_channels_move_together() -> None:
    changed = augment(body(32, 48, 2), np.random.default_rng(3))
    tissue = changed > 0.2
    assert np.mean(tissue[..., 0] == tissue[..., 1]) > 0.99


def test_half_of_the_slices_are_mirrored() -> None:
    image = body(64, 64)
    image[:, 32:] = 0
    rng = np.random.default_rng(0)
    left = [
        changed[:, :32].sum() > changed[:, 32:].sum()
        for changed in (augment(image, rng) for _ in range(100))
    ]
    assert 35 < sum(left) < 65


def test_every_image_comes_once_before_any_again() -> None:
    flat = [np.full((1, 4, 4, 1), level, np.float32) for level in (0.0, 0.0, 0.0, 0.5)]
    for epoch in np.concatenate(list(islice(batches(flat, 2, seed=1), 20))).reshape(-1, 4, 16):
        assert sum(image.any() for image in epoch) == 1


@pytest.mark.parametrize("same", [True, False])
def test_the_seed_decides(same: bool) -> None:
    images = [body(8, 8)[None]]
    one, other = (next(batches(images, 3, seed)) for seed in (5, 5 if same else 6))
    assert one.shape == (3, 8, 8, 1)
    assert np.array_equal(one, other) == same
