"""Small U-Nets of every family, with seeded weights, in Keras 3 or tf_keras."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

Builder: TypeAlias = Callable[..., Any]

SIZE = 32
BASE = 4


def plain(keras: Any, size: int = SIZE, base: int = BASE) -> Any:
    """Two convolutions a level, transposed convolutions up."""
    return _u_net(keras, "plain", size, base, block=_two_convs)


def batch_norm(keras: Any, size: int = SIZE, base: int = BASE) -> Any:
    """Convolution without bias, batch norm, ReLU, spatial dropout."""
    return _u_net(keras, "batch_norm", size, base, block=_normalized)


def residual(keras: Any, size: int = SIZE, base: int = BASE) -> Any:
    """Every block adds a 1x1 projection of its input."""
    return _u_net(keras, "residual", size, base, block=_residual)


def recurrent_residual(keras: Any, size: int = SIZE, base: int = BASE) -> Any:
    """R2U-Net: each step adds the block's input again; every step has layers of its own."""
    return _u_net(keras, "recurrent_residual", size, base, block=_recurrent)


def attention(keras: Any, size: int = SIZE, base: int = BASE) -> Any:
    """Attention gates: a one-channel map weighs every channel of the skip."""
    return _u_net(keras, "attention", size, base, block=_two_convs, skip=_gate)


def up_sampling(keras: Any, size: int = SIZE, base: int = BASE) -> Any:
    """Bilinear up-sampling and a 2x2 convolution instead of a transposed one."""

    def enlarge(keras: Any, x: Any, width: int) -> Any:
        x = keras.layers.UpSampling2D(2, interpolation="bilinear")(x)
        return keras.layers.Conv2D(width, 2, padding="same", activation="relu")(x)

    return _u_net(keras, "up_sampling", size, base, block=_two_convs, enlarge=enlarge)


def separable(keras: Any, size: int = SIZE, base: int = BASE) -> Any:
    """SD-UNet and WP-UNet: separable and depth-wise convolutions, batch norm, dropout."""
    return _u_net(keras, "separable", size, base, block=_separable)


def operators(keras: Any, size: int = SIZE, base: int = BASE) -> Any:
    """Sums, scalings and a reversed attention written as operators between the layers."""

    def block(keras: Any, x: Any, width: int) -> Any:
        a = keras.layers.Conv2D(width, 3, padding="same")(x)
        b = keras.layers.Conv2D(width, 1, activation="sigmoid")(x)
        return keras.layers.ReLU()(a * (1 - b) + 0.5 * b - 0.25)

    return _u_net(keras, "operators", size, base, block=block)


def nested(keras: Any, size: int = SIZE, base: int = BASE) -> Any:
    """The encoder is a model of its own with two outputs; the bottleneck a Sequential."""
    layers = keras.layers
    image = keras.Input((size, size, 1), name="scan")
    skip = _two_convs(keras, image, base)
    down = layers.MaxPooling2D(2)(skip)
    encoder = keras.Model(image, [skip, down], name="encoder")
    bottleneck = keras.Sequential(
        [
            layers.Conv2D(2 * base, 3, padding="same", activation="relu", name="wide"),
            layers.Dropout(0.3),
            layers.Conv2D(2 * base, 3, padding="same", activation="relu", name="deep"),
        ],
        name="bottleneck",
    )
    inputs = keras.Input((size, size, 1), name="image")
    skip, x = encoder(inputs)
    x = bottleneck(x)
    x = layers.Conv2DTranspose(base, 2, strides=2, name="up")(x)
    x = _two_convs(keras, layers.Concatenate(name="join")([skip, x]), base)
    return _seeded(keras.Model(inputs, _head(keras, x), name="nested"))


def u_net_plus_plus(keras: Any, size: int = SIZE, base: int = BASE) -> Any:
    """U-Net++: every node reads all earlier nodes of its level."""
    layers = keras.layers
    inputs = keras.Input((size, size, 1), name="image")
    depth = 3
    column = []
    x = inputs
    for level in range(depth):
        x = _two_convs(keras, x if level == 0 else layers.MaxPooling2D(2)(x), base << level)
        column.append([x])
    for step in range(1, depth):
        for level in range(depth - step):
            up = _transposed(keras, column[level + 1][step - 1], base << level)
            joined = layers.Concatenate()([*column[level], up])
            column[level].append(_two_convs(keras, joined, base << level))
    return _seeded(keras.Model(inputs, _head(keras, column[0][-1]), name="u_net_plus_plus"))


def u_net_3_plus(keras: Any, size: int = SIZE, base: int = BASE) -> Any:
    """UNet 3+: every decoder level reads all encoder levels, pooled or enlarged."""
    layers = keras.layers
    inputs = keras.Input((size, size, 1), name="image")
    depth = 3
    encoder = []
    x = inputs
    for level in range(depth):
        x = _two_convs(keras, x if level == 0 else layers.MaxPooling2D(2)(x), base << level)
        encoder.append(x)
    decoder = {depth - 1: x}
    for level in reversed(range(depth - 1)):
        scales = []
        for other in range(depth):
            y = encoder[other] if other <= level else decoder[other]
            if other < level:
                y = layers.MaxPooling2D(1 << (level - other))(y)
            if other > level:
                y = layers.UpSampling2D(1 << (other - level), interpolation="bilinear")(y)
            scales.append(layers.Conv2D(base, 3, padding="same", activation="relu")(y))
        decoder[level] = _normalized(keras, layers.Concatenate()(scales), base * depth)
    return _seeded(keras.Model(inputs, _head(keras, decoder[0]), name="u_net_3_plus"))


def paper_unet(keras: Any, size: int = 256, base: int = 64) -> Any:
    """Build the U-Net of the paper: four levels, bottleneck, three sigmoid outputs."""
    return _u_net(keras, "paper_unet", size, base, block=_two_convs, depth=4, seed=None)


FAMILIES: dict[str, Builder] = {
    builder.__name__: builder
    for builder in (
        plain,
        batch_norm,
        attention,
        residual,
        recurrent_residual,
        u_net_plus_plus,
        u_net_3_plus,
        up_sampling,
        separable,
        operators,
        nested,
    )
}
"""Builders ``(keras, size=32, base=4) -> model`` by family."""


def random_images(count: int = 1, size: int = SIZE, channels: int = 1) -> Any:
    """Make images of uniform noise in 0..1, the same in every run."""
    images = np.random.default_rng(7).uniform(size=(count, size, size, channels))
    return images.astype(np.float32)


def undecided(keras: Any, model: Any) -> Any:
    """Set the biases of a head so that every channel is above one half in half of the pixels."""
    head = model.get_layer("regions")
    weights, _ = head.get_weights()
    features = keras.Model(model.input, head.input)(random_images(1))
    head.set_weights([weights, -np.median(features @ weights[0, 0], axis=(0, 1, 2))])
    return model


def _u_net(
    keras: Any,
    name: str,
    size: int,
    base: int,
    *,
    block: Builder,
    skip: Builder | None = None,
    enlarge: Builder | None = None,
    depth: int = 2,
    seed: int | None = 0,
) -> Any:
    x = inputs = keras.Input((size, size, 1), name="image")
    skips = []
    for level in range(depth):
        x = block(keras, x, base << level)
        skips.append(x)
        x = keras.layers.MaxPooling2D(2)(x)
    x = block(keras, x, base << depth)
    for level in reversed(range(depth)):
        up = (enlarge or _transposed)(keras, x, base << level)
        side = skip(keras, skips[level], up, base << level) if skip else skips[level]
        x = block(keras, keras.layers.Concatenate()([side, up]), base << level)
    model = keras.Model(inputs, _head(keras, x), name=name)
    return model if seed is None else _seeded(model, seed)


def _two_convs(keras: Any, x: Any, width: int) -> Any:
    for _ in range(2):
        x = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(x)
    return x


def _normalized(keras: Any, x: Any, width: int) -> Any:
    layers = keras.layers
    x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.SpatialDropout2D(0.1)(layers.ReLU()(x))


def _residual(keras: Any, x: Any, width: int) -> Any:
    layers = keras.layers
    y = layers.Activation("relu")(layers.BatchNormalization()(x))
    y = layers.Conv2D(width, 3, padding="same")(y)
    return layers.LeakyReLU(0.1)(layers.Add()([y, layers.Conv2D(width, 1)(x)]))


def _recurrent(keras: Any, x: Any, width: int) -> Any:
    layers = keras.layers
    x = y = layers.Conv2D(width, 1)(x)
    for step in range(3):
        inner = y if step == 0 else layers.Add()([x, y])
        y = layers.Conv2D(width, 3, padding="same")(inner)
        y = layers.ReLU()(layers.BatchNormalization()(y))
    return layers.Add()([x, y])


def _separable(keras: Any, x: Any, width: int) -> Any:
    layers = keras.layers
    x = layers.SeparableConv2D(width, 3, padding="same", activation="relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Conv2D(width, 1, activation="relu")(x)
    return layers.Dropout(0.2)(x)


def _gate(keras: Any, skip: Any, gating: Any, width: int) -> Any:
    layers = keras.layers
    a = layers.Conv2D(width, 1, use_bias=False)(skip)
    b = layers.Conv2D(width, 1)(gating)
    weight = layers.Conv2D(1, 1, activation="sigmoid")(layers.ReLU()(layers.Add()([a, b])))
    return layers.Multiply()([skip, weight])


def _transposed(keras: Any, x: Any, width: int) -> Any:
    return keras.layers.Conv2DTranspose(width, 2, strides=2)(x)


def _head(keras: Any, x: Any) -> Any:
    return keras.layers.Conv2D(3, 1, activation="sigmoid", name="regions")(x)


def _seeded(model: Any, seed: int = 0) -> Any:
    """Fill all weights, batch-norm statistics too, so that no array is trivial."""
    generator = np.random.default_rng(seed)

    def fill(array: Any) -> Any:
        if array.ndim == 1:
            # Positive, for moving variances are among these.
            return generator.uniform(0.2, 1.0, array.shape).astype(np.float32)
        fan_in = max(array.size // array.shape[-1], 1)
        return generator.normal(0, fan_in**-0.5, array.shape).astype(np.float32)

    model.set_weights([fill(array) for array in model.get_weights()])
    return model
