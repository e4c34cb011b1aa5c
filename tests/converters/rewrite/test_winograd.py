"""Convolutions by fewer multiplications compute the same but for the last bits."""

from typing import Any

import numpy as np
import pytest
import zoo

from edgeseg.inference.engine import open_engine
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.keras.rebuild import build
from edgeseg_converters.layers.cost import graph_cost
from edgeseg_converters.network import Network
from edgeseg_converters.partition.tiling.halo import Prices, divide
from edgeseg_converters.partition.tiling.tiles import _spans
from edgeseg_converters.rewrite import winograd
from edgeseg_converters.rewrite.tiles import tile_rows
from edgeseg_converters.rewrite.winograd import MIN_CHANNELS, to_winograd
from edgeseg_converters.tflite.export import compile_graph

pytestmark = pytest.mark.tensorflow

WIDE = MIN_CHANNELS
keras = import_keras()
layers = keras.layers


def network_of(*made: Any, rows: int = 5, columns: int = 8, channels: int = WIDE) -> Network:
    x = image = keras.Input((rows, columns, channels), name="image")
    for layer in made:
        x = layer(x)
    return read_network(zoo._seeded(keras.Model(image, x)))


def image_for(network: Network) -> Any:
    shape = network.graph.inputs[0].shape
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def run(network: Network, *, tflite: bool = False) -> Any:
    image = image_for(network)
    if tflite:
        return open_engine(compile_graph(network.graph, network.weights).model).run([image])[0]
    return np.asarray(build(network, "model")([image]))


def kinds_of(network: Network) -> list[str]:
    return [layer.kind for layer in network.graph.layers]


def conv(**settings: Any) -> Any:
    return layers.Conv2D(WIDE, 3, **{"padding": "same", **settings})


@pytest.mark.parametrize(
    ("made", "kinds"),
    [
        ([conv()], ["WinogradConv2D"]),
        ([conv(padding="valid", activation="relu", use_bias=False)], ["WinogradConv2D"]),
        ([conv(), layers.BatchNormalization(), layers.ReLU()], ["WinogradConv2D"]),
        ([conv(use_bias=False), layers.BatchNormalization(scale=False)], ["WinogradConv2D"]),
        ([conv(), layers.Activation("relu")], ["WinogradConv2D"]),
        ([conv(), layers.BatchNormalization(), conv()], ["WinogradConv2D"] * 2),
        ([conv(), layers.ReLU(6)], ["WinogradConv2D", "ReLU"]),
        ([conv(), layers.Activation("sigmoid")], ["WinogradConv2D", "Activation"]),
        (
            [conv(activation="relu"), layers.BatchNormalization()],
            ["WinogradConv2D", "BatchNormalization"],
        ),
        (
            [layers.ZeroPadding2D(((2, 0), (1, 3))), conv(padding="valid")],
            ["ZeroPadding2D", "WinogradConv2D"],
        ),
    ],
)
def test_the_sums_are_the_same(made: list[Any], kinds: list[str]) -> None:
    network = network_of(*made)
    fewer = to_winograd(network)
    assert kinds_of(fewer) == kinds
    assert fewer.graph.outputs == network.graph.outputs
    assert fewer.weights.keys() == {layer.name for layer in fewer.graph.layers if layer.weights}
    expected = run(network)
    largest = np.abs(expected).max()
    for tflite in (False, True):
        np.testing.assert_allclose(run(fewer, tflite=tflite), expected, atol=3e-6 * largest)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(WIDE, 5, padding="same"),
        layers.Conv2D(WIDE - 1, 3, padding="same"),
        conv(strides=2),
        conv(dilation_rate=2),
        conv(groups=2),
        conv(activation="sigmoid"),
        layers.DepthwiseConv2D(3, padding="same"),
    ],
)
def test_other_convolutions_stay(layer: Any) -> None:
    network = network_of(layer)
    assert to_winograd(network).graph == network.graph


def test_an_odd_number_of_pixels_a_row_stays() -> None:
    network = network_of(conv(), columns=7)
    assert to_winograd(network).graph == network.graph


def test_a_kernel_with_zeros_stays() -> None:
    network = network_of(conv())
    ((name, (kernel, bias)),) = network.weights.items()
    pruned = np.where(np.abs(kernel) < np.quantile(np.abs(kernel), 0.2), np.float32(0), kernel)
    sparse = Network(network.graph, {name: (pruned, bias)})
    assert to_winograd(sparse).graph == network.graph


def test_a_third_fewer_products_and_a_third_more_weights_are_counted() -> None:
    network = network_of(conv(use_bias=False))
    was, became = graph_cost(network.graph), graph_cost(to_winograd(network).graph)
    assert 3 * became.flops == 2 * was.flops
    assert 3 * (became.parameters - WIDE) == 4 * was.parameters


@pytest.mark.parametrize("ways", [2, 3])
def test_tiles_compute_the_bits_of_the_whole(ways: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "MIN_CHANNELS", 1)
    network = to_winograd(read_network(zoo.plain(keras, base=8)))
    assert kinds_of(network).count("WinogradConv2D") > 5
    for patience in (0.0, float("inf")):
        span = _spans(network.graph, ways)[0][1]
        tiled = tile_rows(network, divide(network.graph, span, ways, Prices(), patience))
        assert kinds_of(tiled.network).count("WinogradConv2D") > 5 * ways
        np.testing.assert_array_equal(run(tiled.network, tflite=True), run(network, tflite=True))
