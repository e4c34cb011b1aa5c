"""Augments slices without labels: random geometry, contrast and noise."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from edgeseg_converters.arrays import ModelInput

Pixels: TypeAlias = NDArray[np.float32]
"""A slice as the model reads it, (H, W, C) in 0..1; 0 is air."""

_ZOOM = 1.25
_DEGREES = 8.0
_SHIFT = 0.08
"""Of the slice's height and width."""
_CONTRAST = 0.1
"""Spread of the logarithms of gain and gamma."""
_NOISE = 0.03


def batches(images: Sequence[ModelInput], size: int, seed: int) -> Iterator[Pixels]:
    """Yield augmented batches (size, H, W, C) without end, every image once before any again."""
    rng = np.random.default_rng(seed)
    order = _shuffles(len(images), rng)
    while True:
        yield np.stack([augment(images[next(order)][0], rng) for _ in range(size)])


def augment(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Move, turn, scale and perhaps mirror a slice, then vary its contrast and noise.

    Parameters
    ----------
    image
        Pixels, (H, W, C) in 0..1.
    rng
        Draws what is changed.

    Returns
    -------
    ndarray
        Pixels of the same shape, in 0..1.
    """
    pixels = _warp(image, rng)
    gain, gamma = np.exp(rng.normal(0, _CONTRAST, 2))
    pixels = (pixels * np.float32(gain)).clip(0, 1) ** np.float32(gamma)
    sigma = np.float32(rng.uniform(0, _NOISE))
    grain = rng.standard_normal(pixels.shape, np.float32) * sigma
    return np.asarray(np.where(pixels > 0, pixels + grain, 0).clip(0, 1), np.float32)


def _warp(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Resample a slice by a random affine map around its middle."""
    height, width, channels = image.shape
    angle = np.deg2rad(rng.normal(0, _DEGREES))
    zoom = np.exp(rng.uniform(-1, 1) * np.log(_ZOOM))
    mirror = np.diag([rng.choice((-1.0, 1.0)), 1.0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ mirror / zoom
    middle = np.array([width, height]) / 2
    origin = middle + rng.uniform(-_SHIFT, _SHIFT, 2) * (width, height) - matrix @ middle
    affine = tuple(np.column_stack([matrix, origin]).ravel().tolist())
    planes = [
        Picture.fromarray(np.ascontiguousarray(image[..., channel])).transform(
            (width, height), Picture.Transform.AFFINE, affine, Picture.Resampling.BILINEAR
        )
        for channel in range(channels)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def _shuffles(count: int, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.permutation(count).tolist()
