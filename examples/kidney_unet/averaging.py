"""The weights that a training ends with: averaged over its last steps, statistics to match."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from data import SIZE, Floats, Shelf, reduce_image

from edgeseg.labelled import LabelledSlice

MOMENTUM = 0.99
"""Of the average of weights: it looks back some hundred steps."""
STATISTICS = 64
"""Batch normalization takes its statistics from so many plain training slices."""
BATCH = 8


def plain_images(slices: Sequence[LabelledSlice], shelf: Shelf) -> Floats:
    """Return some slices as the running system makes them, (N, SIZE, SIZE, 1) in 0..1."""
    some = slices[:: -(-len(slices) // STATISTICS)]
    grey = [reduce_image(shelf.read(piece).image, SIZE, SIZE) for piece in some]
    return np.divide(np.stack(grey)[..., None], 255, dtype=np.float32)


def averaged(model: Any, images: Floats) -> list[Any]:
    """Return a compiled model's weights averaged over steps; the model itself is left as it was.

    Batch statistics are those of the averaged weights on these images: the ones gathered while
    training belong to other weights.
    """
    now = model.get_weights()
    model.optimizer.finalize_variable_values(model.trainable_variables)
    for start in range(0, len(images), BATCH):
        model(images[start : start + BATCH], training=True)
    weights: list[Any] = model.get_weights()
    model.set_weights(now)
    return weights
