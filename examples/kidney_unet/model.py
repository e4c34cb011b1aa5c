"""The U-Net family: one builder, from the paper's network to the small shipped one."""

from functools import partial
from typing import Any

import keras


def build(  # noqa: PLR0913 - the family's dimensions, each one named in the model card
    base: int,
    depth: int,
    *,
    batch_norm: bool,
    separable: bool,
    outputs: int = 3,
    size: int | None = 256,
) -> Any:
    """Build an untrained U-Net.

    Two 3x3 convolutions a level, 2x2 max pooling down, 2x2 transposed convolutions up, skips by
    concatenation, and a 1x1 head with sigmoids: the regions are nested, not exclusive.
    ``build(64, 4, batch_norm=False, separable=False)`` is the network of Rao et al. 2023.

    Parameters
    ----------
    base
        Channels of the first level; each level down doubles them. Keep a multiple of 8.
    depth
        How many times the slice is halved.
    batch_norm
        Batch normalization between each 3x3 convolution and its ReLU (the convolution then has
        no bias).
    separable
        Depth-wise separable 3x3 convolutions everywhere but on the one-channel input.
    outputs
        Regions at the head.
    size
        Rows and columns of a slice, a multiple of ``2 ** depth``; ``None`` leaves them open.

    Returns
    -------
    keras.Model
        Functional model, (N, size, size, 1) in 0..1 -> (N, size, size, outputs) in 0..1.

    References
    ----------
    Ronneberger et al. 2015, "U-Net"; Rao et al. 2023, doi 10.20944/preprints202308.0888.v1.
    """
    block = partial(_block, batch_norm=batch_norm, separable=separable)
    slices = keras.Input((size, size, 1), name="slice")
    tensor: Any = slices
    skips = []
    for level in range(depth):
        tensor = block(tensor, base << level, f"down{level}")
        skips.append(tensor)
        tensor = keras.layers.MaxPooling2D(name=f"down{level}_pool")(tensor)
    tensor = block(tensor, base << depth, "bottom")
    for level in reversed(range(depth)):
        name = f"up{level}"
        up = keras.layers.Conv2DTranspose(base << level, 2, strides=2, name=f"{name}_conv0")(tensor)
        joined = keras.layers.Concatenate(name=f"{name}_skip")([skips[level], up])
        tensor = block(joined, base << level, name)
    # float32 whatever the rest is trained in: a probability must not round to 1.
    head = keras.layers.Conv2D(outputs, 1, activation="sigmoid", name="regions", dtype="float32")
    tensor = head(tensor)
    return keras.Model(slices, tensor, name="kidney_unet")


def _block(
    tensor: Any,
    width: int,
    name: str,
    *,
    batch_norm: bool,
    separable: bool,
) -> Any:
    """Two 3x3 convolutions of one level."""
    layers = keras.layers
    for number in (1, 2):
        kind = layers.SeparableConv2D if separable and tensor.shape[-1] > 1 else layers.Conv2D
        layer = f"{name}_conv{number}"
        tensor = kind(width, 3, padding="same", use_bias=not batch_norm, name=layer)(tensor)
        if batch_norm:
            # Momentum 0.9: a short training must not leave stale statistics behind.
            tensor = layers.BatchNormalization(momentum=0.9, name=f"{layer}_norm")(tensor)
        tensor = layers.ReLU(name=f"{layer}_relu")(tensor)
    return tensor
