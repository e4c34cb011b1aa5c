"""What people put between the layers of a U-Net: blocks and operators, for Keras 3 and tf_keras.

Each takes a tensor of 16 x 16 pixels and 4 channels and returns what it makes of it.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

Pattern: TypeAlias = Callable[[Any], Any]

SIZE = 16
CHANNELS = 4
_BY_CHANNEL = np.array([0.5, 1.0, 2.0, 3.0], np.float32)
_BY_PLACE = np.linspace(-1, 1, SIZE * SIZE * CHANNELS, dtype=np.float32)
_BY_PLACE = _BY_PLACE.reshape(1, SIZE, SIZE, CHANNELS)


def model_of(keras: Any, pattern: Pattern) -> Any:
    """Build a model of a convolution, a pattern and another convolution, with seeded weights."""
    image = keras.Input((SIZE, SIZE, 1), name="image")
    x = keras.layers.Conv2D(CHANNELS, 3, padding="same", name="entry")(image)
    head = keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="head")
    return seeded(keras.Model(image, head(pattern(x)), name="pattern"))


def seeded(model: Any) -> Any:
    """Fill all weights so that no array is trivial, and variances are positive."""
    generator = np.random.default_rng(0)

    def fill(array: Any) -> Any:
        if array.ndim < 2:
            return generator.uniform(0.2, 1.0, array.shape).astype(np.float32)
        fan_in = max(array.size // array.shape[-1], 1)
        return generator.normal(0, fan_in**-0.5, array.shape).astype(np.float32)

    model.set_weights([fill(array) for array in model.get_weights()])
    return model


def keras_3(keras: Any) -> Mapping[str, Pattern]:
    """Return the patterns of Keras 3 by name."""
    return {
        **_layers(keras),
        **_shared(keras),
        **_operators(keras.ops, keras.layers),
        **_folded(keras),
        **_blocks(keras),
        **_tokens(keras),
    }


def _layers(keras: Any) -> Mapping[str, Pattern]:
    layers = keras.layers
    conv = _conv(keras)
    names = "celu elu gelu hard_shrink hard_sigmoid hard_silu hard_tanh log_sigmoid mish selu "
    names += "soft_shrink softsign sparse_plus sparse_sigmoid squareplus tanh_shrink"
    return {
        "activations": lambda x: layers.Add()([layers.Activation(n)(x) for n in names.split()]),
        "activation_object": conv(activation=layers.LeakyReLU(negative_slope=0.1)),
        "activation_in_activation": layers.Activation(layers.ReLU(6.0)),
        "normalization": layers.Normalization(mean=[0, 1, 2, 3], variance=[1, 2, 3, 4]),
        "one_normalization": layers.Normalization(axis=None, mean=0.1, variance=2),
        "inverse_normalization": layers.Normalization(
            mean=[0, 1, 2, 3], variance=[1, 2, 3, 4], invert=True
        ),
        "center_crop": lambda x: layers.Concatenate()(
            [layers.CenterCrop(13, 14)(x), layers.Conv2D(4, (4, 3))(x)]
        ),
        "rescaling_by_channel": layers.Rescaling([1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4]),
        "unit": lambda x: layers.UnitNormalization()(layers.RMSNormalization()(x)),
        "spectral": layers.SpectralNormalization(conv()),
        "pooled": lambda x: layers.UpSampling2D(4)(layers.AdaptiveAveragePooling2D((4, 4))(x)),
        "line": lambda x: layers.Reshape((4, 4, 4))(
            layers.RepeatVector(16)(layers.GlobalAveragePooling1D()(layers.Reshape((256, 4))(x)))
        ),
        "einsum_dense": layers.EinsumDense("bhwc,cd->bhwd", (None, None, 5), None, "d"),
    }


def _shared(keras: Any) -> Mapping[str, Pattern]:
    layers = keras.layers
    conv = _conv(keras)
    relu, twice, same = layers.ReLU(), conv(), conv()
    encoder = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            conv(),
            layers.BatchNormalization(),
            relu,
            layers.Dropout(0.1),
        ],
        name="encoder",
    )
    return {
        "shared_activation": lambda x: relu(conv()(relu(conv()(x)))),
        "shared_convolution": lambda x: twice(relu(twice(x))),
        "shared_on_the_same": lambda x: layers.Add()([same(x), layers.ReLU()(same(x))]),
        "siamese": lambda x: layers.Concatenate()(
            [encoder(x[..., number : number + 1]) for number in range(3)]
        ),
    }


def _operators(ops: Any, layers: Any) -> Mapping[str, Pattern]:
    return {
        "channels": lambda x: ops.concatenate([x[..., 2:], x[..., :1], x[..., ::-1]], axis=-1),
        "a_channel": lambda x: x * ops.expand_dims(x[..., 1], -1) + x[..., 2][..., None],
        "rows": lambda x: x[:, 2:-2, 3:, :] + x[:, :-4, :-3],
        "strided": lambda x: x[:, ::2, 1::2],
        "padded": lambda x: ops.pad(x, [[0, 0], [1, 2], [2, 1], [0, 0]]),
        "reflected": lambda x: ops.pad(x, [[0, 0], [1, 1], [2, 2], [0, 0]], mode="reflect"),
        "resized": lambda x: ops.concatenate(
            [ops.image.resize(layers.MaxPooling2D()(x), (16, 16)), x], -1
        ),
        "resized_to_any": lambda x: ops.image.resize(x, (12, 9)),
        "gelu": lambda x: ops.gelu(x) + ops.relu6(x) + ops.elu(x, 0.5) + ops.leaky_relu(x),
        "depth": lambda x: ops.nn.depth_to_space(ops.nn.space_to_depth(x, 2), 4),
        "axes": lambda x: ops.transpose(x, (0, 2, 1, 3)) + ops.swapaxes(x, 1, 2),
        "moved_axes": lambda x: ops.moveaxis(ops.reshape(x, (-1, 32, 8, 4)), 1, 2),
        "first_axis": lambda x: ops.reshape(
            layers.Dense(4)(ops.reshape(x, (-1, 4))), (-1, 16, 16, 4)
        ),
        "split": lambda x: ops.add(*ops.split(x, 2, axis=-1)),
        "stacked": lambda x: ops.max(ops.stack(ops.unstack(x, axis=-1)[1:], axis=-1), -1)[
            ..., None
        ],
        "quotients": lambda x: x / 2.5 + x / (1 + ops.abs(x)) + 1 / (2 + ops.square(x)),
        "powers": lambda x: x**2 + ops.abs(x) ** 1.5 + ops.exp(-ops.square(x)) + ops.erf(x),
        "bounds": lambda x: ops.maximum(x, 0.1) + ops.minimum(x, x / 2) + ops.clip(x, -0.5, 0.7),
        "by_channel": lambda x: (x - _BY_CHANNEL) / _BY_CHANNEL * _BY_CHANNEL + 2,
        "by_place": lambda x: x + _BY_PLACE,
        "chosen": lambda x: ops.where(x > 0.2, x, x * 0.1) * ops.cast(x < 1, "float32"),
        "repeated": lambda x: (
            x * ops.repeat(x[..., :1], 4, -1) + ops.tile(x[..., 1:2], (1, 1, 1, 4))
        ),
        "turned": lambda x: ops.flip(x, axis=2) + ops.roll(x, 3, axis=1),
        "taken": lambda x: ops.take(x, [3, 0, 1, 2], axis=-1),
        "reduced": lambda x: (
            x * ops.std(x, axis=-1, keepdims=True) + ops.logsumexp(x, -1)[..., None]
        ),
        "pooled": lambda x: ops.max_pool(x, 2) + ops.average_pool(x, 2),
        "patches": lambda x: ops.image.extract_patches(x, 2),
        "einsum": lambda x: ops.einsum("bhwc,bhwd->bhcd", x, x),
        "normalized": lambda x: ops.normalize(x, axis=-1),
    }


def _folded(keras: Any) -> Mapping[str, Pattern]:
    """Return what TFLite folds across layers, so that a cut between them would show."""
    layers, ops = keras.layers, keras.ops
    conv, scale = _conv(keras), layers.Rescaling

    def both(x: Any) -> Any:
        return layers.Add()([conv()(x), layers.Conv2D(4, 1)(x)])

    def bound(x: Any) -> Any:
        return layers.ReLU()(conv()(x))

    return {
        "hard_sigmoid_then_convolution": lambda x: conv()(layers.Activation("hard_sigmoid")(x)),
        "hard_sigmoid_then_two": lambda x: both(conv(activation="hard_sigmoid")(x)),
        "scaling_then_two": lambda x: both(scale(0.3)(bound(x))),
        "two_scalings": lambda x: scale(2.0, 1.0)(scale(0.3, 0.7)(bound(x))),
        "scaling_of_sums": lambda x: layers.ReLU()(conv()(x) * 0.5 + 0.1),
        "scaling_then_padding": lambda x: layers.Conv2D(4, 3)(
            layers.ZeroPadding2D()(scale(0.3)(bound(x)))
        ),
        "average": lambda x: layers.Average()([x, bound(x), conv()(x)]),
        "hard_swish": lambda x: x * ops.relu6(x + 3) / 6,
        "hard_swish_in_layers": lambda x: layers.Multiply()(
            [x, scale(1 / 6)(layers.ReLU(6.0)(scale(1.0, 3.0)(x)))]
        ),
        "quotient_by_root": lambda x: x / ops.sqrt(ops.var(x, (1, 2), keepdims=True) + 1e-3),
        "dense_behind_bias": lambda x: layers.Dense(4)(layers.Reshape((32, 8, 4))(x)),
        "dense_behind_shared_bias": lambda x: layers.Add()([x, layers.Dense(4)(x)]),
    }


def _blocks(keras: Any) -> Mapping[str, Pattern]:
    layers, ops = keras.layers, keras.ops

    def squeeze(x: Any) -> Any:
        weight = layers.Dense(2, activation="relu")(layers.GlobalAveragePooling2D()(x))
        weight = layers.Dense(CHANNELS, activation="sigmoid")(weight)
        return layers.Multiply()([x, layers.Reshape((1, 1, CHANNELS))(weight)])

    def cbam(x: Any) -> Any:
        narrow, wide = layers.Dense(2, activation="relu"), layers.Dense(CHANNELS)
        pools = (layers.GlobalAveragePooling2D(), layers.GlobalMaxPooling2D())
        mean, peak = (wide(narrow(pool(x))) for pool in pools)
        x = x * layers.Reshape((1, 1, CHANNELS))(ops.sigmoid(mean + peak))
        maps = [ops.mean(x, -1, keepdims=True), ops.max(x, -1, keepdims=True)]
        weight = layers.Conv2D(1, 7, padding="same", activation="sigmoid")
        return x * weight(ops.concatenate(maps, axis=-1))

    def channel_attention(x: Any) -> Any:
        line = layers.Reshape((CHANNELS, 1))(layers.GlobalAveragePooling2D()(x))
        weight = layers.Conv1D(1, 3, padding="same", activation="sigmoid")(line)
        return layers.Multiply()([x, layers.Reshape((1, 1, CHANNELS))(weight)])

    def instance_norm(x: Any) -> Any:
        mean, variance = ops.moments(x, axes=(1, 2), keepdims=True)
        return (x - mean) * ops.rsqrt(variance + 1e-3) * _BY_CHANNEL + _BY_CHANNEL

    def pyramid(x: Any) -> Any:
        pooled = layers.Conv2D(4, 1)(ops.mean(x, (1, 2), keepdims=True))
        dilated = layers.Conv2D(4, 3, padding="same", dilation_rate=3)(x)
        return layers.Concatenate()([ops.image.resize(pooled, (16, 16)), dilated])

    return {
        "squeeze": squeeze,
        "cbam": cbam,
        "channel_attention": channel_attention,
        "instance_norm": instance_norm,
        "group_norm": layers.GroupNormalization(groups=2),
        "pyramid": pyramid,
        "gated": lambda x: _gated(ops, layers.Conv2D(8, 1)(x)),
        "shuffle": lambda x: ops.reshape(
            ops.transpose(ops.reshape(x, (-1, 16, 16, 2, 2)), (0, 1, 2, 4, 3)), (-1, 16, 16, 4)
        ),
    }


def _gated(ops: Any, x: Any) -> Any:
    value, gate = ops.split(x, 2, axis=-1)
    return value * ops.sigmoid(gate)


def _tokens(keras: Any) -> Mapping[str, Pattern]:
    layers, ops = keras.layers, keras.ops

    def on_tokens(block: Pattern) -> Pattern:
        return lambda x: layers.Reshape((16, 16, 4))(block(layers.Reshape((256, 4))(x)))

    def transformer(x: Any) -> Any:
        x += _BY_PLACE.reshape(1, 256, 4)
        normal = layers.LayerNormalization()(x)
        x += layers.MultiHeadAttention(2, 3)(query=normal, value=normal)
        return x + layers.Dense(4)(layers.Dense(8, activation="gelu")(x))

    def by_hand(x: Any) -> Any:
        weights = ops.softmax(ops.matmul(x, ops.transpose(x, (0, 2, 1))) / 2)
        return ops.matmul(weights, x)

    return {
        "transformer": on_tokens(transformer),
        "attention_by_hand": on_tokens(by_hand),
        "attention": on_tokens(lambda x: layers.Attention(use_scale=True)([x, x])),
        "dot": on_tokens(
            lambda x: layers.Dot(axes=(2, 1))([layers.Dot(axes=(2, 2))([x, x]), x]) / 100
        ),
    }


def _conv(keras: Any) -> Callable[..., Any]:
    return lambda **settings: keras.layers.Conv2D(CHANNELS, 3, padding="same", **settings)


def keras_2(keras: Any, tf: Any) -> Mapping[str, Pattern]:
    """Return patterns of the Keras of its time: functions of TensorFlow and of the backend."""
    layers, backend = keras.layers, keras.backend
    return {
        "layers": lambda x: layers.Activation("hard_sigmoid")(
            layers.ThresholdedReLU(0.3)(layers.Conv2D(4, 3, activation=layers.PReLU())(x))
        ),
        "normalizations": lambda x: layers.UnitNormalization()(
            layers.Normalization(mean=[0, 1, 2, 3], variance=[1, 2, 3, 4])(x)
        ),
        "attention": lambda x: layers.MultiHeadAttention(2, 3)(x, x),
        "activations": lambda x: (
            tf.nn.relu6(x) + tf.nn.swish(x) + tf.nn.leaky_relu(x) + tf.nn.elu(x)
        ),
        "activation_functions": lambda x: (
            keras.activations.relu(x, max_value=6.0) + backend.tanh(x)
        ),
        "channels": lambda x: tf.concat([x[..., 2:], x[:, :, :, ::-1], x[..., 0, tf.newaxis]], -1),
        "maps": lambda x: backend.concatenate(
            [backend.mean(x, axis=-1, keepdims=True), tf.reduce_max(x, axis=3, keepdims=True)]
        ),
        "rows": lambda x: tf.pad(x[:, 1:-1, 2:-2], [[0, 0], [1, 1], [2, 2], [0, 0]]),
        "resized": lambda x: tf.image.resize(layers.MaxPooling2D()(x), tf.shape(x)[1:3]),
        "resized_by_backend": lambda x: backend.resize_images(
            x, 2, 2, "channels_last", interpolation="bilinear"
        ),
        "repeated": lambda x: x * backend.repeat_elements(x[..., :1], 4, axis=3),
        "depth": lambda x: tf.nn.depth_to_space(tf.nn.space_to_depth(x, 2), 4),
        "joined": lambda x: tf.add_n(tf.split(x, 4, axis=-1)) * tf.stack([x, x], -1)[..., 0],
        "instance_norm": lambda x: (
            (x - tf.nn.moments(x, [1, 2], keepdims=True)[0])
            / tf.sqrt(tf.math.reduce_variance(x, [1, 2], keepdims=True) + 1e-3)
        ),
        "tokens": lambda x: tf.reshape(
            tf.matmul(
                tf.nn.softmax(tf.matmul(*[tf.reshape(x, [-1, 256, 4])] * 2, transpose_b=True)),
                tf.reshape(x, [tf.shape(x)[0], -1, 4]),
            ),
            tf.shape(x),
        ),
        "arithmetic": lambda x: (x - 0.5) / 0.25 * tf.constant(_BY_CHANNEL) + (1 - x) - _BY_CHANNEL,
        "functions": lambda x: tf.exp(-tf.square(x)) + tf.abs(x) + tf.clip_by_value(x, 0.0, 1.0),
        "lengths": lambda x: (
            tf.math.l2_normalize(x, axis=-1) + x / backend.sum(x * x, -1)[..., None]
        ),
        "pooled": lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME") + tf.nn.avg_pool2d(x, 2, 2, "VALID"),
        "chosen": lambda x: tf.where(x > 0, x, 0.1 * x) * tf.cast(x < 1, tf.float32),
        "moved": lambda x: tf.transpose(x, [0, 2, 1, 3]) + tf.reverse(x, [2]),
        "taken": lambda x: tf.gather(x, [3, 1, 0, 2], axis=-1) + tf.tile(x[..., :1], [1, 1, 1, 4]),
        "shared": lambda x: _twice(layers.Conv2D(4, 3, padding="same"), x),
    }


def _twice(layer: Any, x: Any) -> Any:
    return layer(layer(x))
