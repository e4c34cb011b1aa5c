"""What an error is said to cost is what it does cost."""

import numpy as np
import pytest

from edgeseg_converters.compress.rounding.fisher import fisher_error_costs
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras

pytestmark = pytest.mark.tensorflow

keras = import_keras()
layers = keras.layers
SIZE = 16
NOISE = 1e-2


def divergence(before: np.ndarray, after: np.ndarray, activation: str) -> float:
    """Return the mean Kullback-Leibler divergence a pixel, in nats."""
    each = before * np.log(before / after)
    if activation == "sigmoid":
        each += (1 - before) * np.log((1 - before) / (1 - after))
    return float(each.sum(axis=-1).mean())


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_noise_in_a_channel_costs_as_much_as_is_said(activation: str) -> None:
    image = keras.Input((SIZE, SIZE, 1))
    inner = layers.Conv2D(4, 3, padding="same", use_bias=False, name="inner")(image)
    hidden = keras.Input((SIZE, SIZE, 4))
    x = layers.Conv2D(6, 3, padding="same", activation="tanh")(hidden)
    rest = keras.Model(hidden, layers.Conv2D(3, 1, activation=activation)(x))
    model = keras.Model(image, rest(inner))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.7, one.shape) for one in model.get_weights()])
    images = [rng.random((1, SIZE, SIZE, 1), np.float32) for _ in range(60)]

    said = fisher_error_costs(read_network(model), ["inner"], images)["inner"]

    outer = keras.Model(model.inputs, inner)
    for channel in range(4):
        costs = []
        for one in images:
            reached = np.asarray(outer([one]), np.float64)
            noisy = reached.copy()
            noisy[..., channel] += rng.normal(0, NOISE, reached.shape[:-1])
            pair = [np.asarray(rest(array), np.float64) for array in (reached, noisy)]
            costs.append(divergence(*pair, activation))
        assert np.mean(costs) / NOISE**2 == pytest.approx(said[channel], rel=0.15)


def test_a_channel_that_nobody_reads_costs_nothing() -> None:
    image = keras.Input((SIZE, SIZE, 1))
    x = layers.Conv2D(2, 3, padding="same", use_bias=False, name="inner")(image)
    model = keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid", use_bias=False)(x))
    first, last = model.get_weights()
    last[:, :, 1] = 0
    model.set_weights([first, last])
    images = [np.random.default_rng(1).random((1, SIZE, SIZE, 1), np.float32)]
    worth = fisher_error_costs(read_network(model), ["inner"], images)["inner"]
    assert worth[0] > 0
    assert worth[1] == 0
