"""Layers as LiteRT is quickest at them compute the very same bits."""

import numpy as np
import pytest
import zoo

from edgeseg.inference.engine import open_engine
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network
from edgeseg_converters.rewrite import litert_lowering
from edgeseg_converters.rewrite.litert_lowering import lower_for_litert
from edgeseg_converters.tflite.export import compile_graph

pytestmark = pytest.mark.tensorflow

keras = import_keras()
layers = keras.layers


def kinds_of(network: Network) -> list[str]:
    return [layer.kind for layer in network.graph.layers]


def assert_same(network: Network) -> None:
    (entering,) = network.graph.inputs
    image = np.random.default_rng(0).normal(size=entering.shape).astype(np.float32)
    plain, quick = (
        open_engine(compile_graph(network.graph, network.weights, plain=how).model)
        for how in (True, False)
    )
    for one, other in zip(plain.run([image]), quick.run([image]), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("family", sorted(zoo.FAMILIES))
def test_every_family_gives_the_same_bits(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litert_lowering, "MAX_KERNEL_BYTES", 2**13)
    network = read_network(zoo.FAMILIES[family](keras, base=16))
    assert lower_for_litert(network).graph.outputs == network.graph.outputs
    assert_same(network)


def one_layer(*made: object) -> Network:
    x = image = keras.Input((8, 10, 6), name="image")
    for layer in made:
        x = layer(x)  # type: ignore[operator] # Keras is untyped
    return read_network(zoo._seeded(keras.Model(image, x)))


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_windows_apart_become_channels_that_move(factor: int, bias: bool) -> None:
    up = layers.Conv2DTranspose(5, factor, strides=factor, use_bias=bias, name="up")
    network = one_layer(up, layers.ReLU(name="relu"))
    assert kinds_of(lower_for_litert(network)) == ["Conv2D", "ReLU", "DepthToSpace"]
    assert_same(network)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2DTranspose(5, 3, strides=2, padding="same"),
        layers.Conv2DTranspose(5, 2, strides=2, activation="softmax"),
        layers.Conv2DTranspose(5, (2, 4), strides=(2, 4)),
        layers.Conv2DTranspose(5, 1),
    ],
)
def test_other_transposed_convolutions_stay(layer: object) -> None:
    assert "DepthToSpace" not in kinds_of(lower_for_litert(one_layer(layer)))


def test_a_heavy_kernel_is_divided_with_what_is_fused_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(litert_lowering, "MAX_KERNEL_BYTES", 4000)
    conv = layers.Conv2D(64, 3, padding="same", name="conv")
    network = one_layer(conv, layers.BatchNormalization(name="norm"), layers.ReLU(name="end"))
    divided = lower_for_litert(network)
    # 13,824 bytes: no fewer of equal parts are light enough.
    assert kinds_of(divided) == ["Conv2D", "BatchNormalization", "ReLU"] * 4 + ["Concatenate"]
    assert divided.graph.outputs == ("end",)
    assert divided.graph.tensors["end"] == network.graph.tensors["end"]
    assert_same(network)


def test_what_mixes_channels_is_not_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litert_lowering, "MAX_KERNEL_BYTES", 1)
    grouped = layers.Conv2D(64, 3, groups=2)
    for layer in (layers.Conv2D(64, 3, activation="softmax"), grouped, layers.Conv2D(24, 3)):
        network = one_layer(layer)
        assert lower_for_litert(network).graph == network.graph
    # TFLite fuses all three: the second convolution reads every channel of the first.
    chain = one_layer(
        layers.Conv2D(64, 3), layers.BatchNormalization(), layers.Conv2D(64, 1, name="second")
    )
    assert lower_for_litert(chain).graph == chain.graph
