"""Branches compute what the two convolutions did, with the same weights, or there is a reason."""

import re
from typing import Any

import numpy as np
import pytest
import zoo
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.keras.rebuild import build
from edgeseg_converters.layers.kind import ChannelFlow
from edgeseg_converters.layers.table import LAYER_KINDS
from edgeseg_converters.network import Network
from edgeseg_converters.rewrite.branches import (
    ConvolutionPair,
    divide_pair,
    find_pairs,
    share_channels,
)

pytestmark = pytest.mark.tensorflow

keras = import_keras()
layers = keras.layers

CONVOLUTIONS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["Conv2D", "Conv2DTranspose", "SeparableConv2D"]),
        "filters": st.integers(3, 20),
        "kernel_size": st.sampled_from([1, 2, 3]),
        "strides": st.sampled_from([1, 2]),
        "dilation_rate": st.sampled_from([1, 2]),
        "padding": st.sampled_from(["same", "valid"]),
        "use_bias": st.booleans(),
        "activation": st.sampled_from([None, "tanh", "sigmoid", "gelu"]),
    }
)
BETWEEN = {
    "activation": lambda: layers.Activation("tanh"),
    "average": lambda: layers.AveragePooling2D(2, padding="same"),
    "batch norm": layers.BatchNormalization,
    "cropping": lambda: layers.Cropping2D(1),
    "depth-wise": lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
    "elu": layers.ELU,
    "leaky": lambda: layers.LeakyReLU(0.2),
    "maximum": lambda: layers.MaxPooling2D(2, padding="same"),
    "highest": lambda: layers.GlobalMaxPooling2D(keepdims=True),
    "mean": lambda: layers.GlobalAveragePooling2D(keepdims=True),
    "padding": lambda: layers.ZeroPadding2D(2),
    "prelu": lambda: layers.PReLU(shared_axes=[1, 2]),
    "prelu everywhere": layers.PReLU,
    "relu": lambda: layers.ReLU(6),
    "scaling": lambda: layers.Rescaling(0.5, 0.1),
    "size": lambda: layers.Resizing(9, 7),
    "up": lambda: layers.UpSampling2D(2, interpolation="bilinear"),
}


def convolution(drawn: dict[str, Any], name: str) -> Any:
    """Make what was drawn, without the strides that its dilation forbids."""
    given = dict(drawn)
    kind = getattr(layers, given.pop("kind"))
    if given["dilation_rate"] > 1:
        given["strides"] = 1
    return kind(**given, name=name)


def network_of(*stack: Any, size: int = 12, channels: int = 3) -> Network:
    image = x = keras.Input((size, size, channels), name="image")
    for layer in stack:
        x = layer(x)
    return read_network(zoo._seeded(keras.Model(image, x)))


def run(network: Network) -> Any:
    (image,) = network.graph.inputs
    values = np.random.default_rng(3).uniform(size=image.shape).astype(np.float32)
    return np.asarray(build(network, "run")([values], training=False))


def values(network: Network, *without: str) -> Any:
    """All weights in order of size."""
    arrays = [a for name in network.weights if name not in without for a in network.weights[name]]
    return np.sort(np.concatenate([array.ravel() for array in arrays]))


def check_shapes(network: Network) -> None:
    """Every shape that the graph states is what Keras makes of it."""
    graph = network.graph
    made = {layer.name: tuple(layer.output.shape) for layer in build(network, "built").layers}
    for layer in graph.layers:
        shapes = [array.shape for array in network.weights.get(layer.name, ())]
        assert shapes == [spec.shape for spec in layer.weights]
        assert made[layer.name.replace("/", ".")] == layer.output.shape
        assert all(
            tensor not in graph.position or graph.position[tensor] < graph.position[layer.name]
            for tensor in layer.inputs
        )


@settings(max_examples=30, deadline=None)
@given(
    first=CONVOLUTIONS,
    between=st.lists(st.sampled_from(sorted(BETWEEN)), max_size=2),
    second=CONVOLUTIONS,
    ways=st.integers(2, 3),
)
def test_any_two_convolutions_with_anything_between(
    first: dict[str, Any], between: list[str], second: dict[str, Any], ways: int
) -> None:
    middle = [BETWEEN[name]() for name in between]
    last = {**second, "padding": "same"}
    try:
        network = network_of(convolution(first, "one"), *middle, convolution(last, "two"))
    except ValueError:
        assume(False)  # A crop, or a kernel without padding, took more than there was.
    (pair,), _ = find_pairs(network.graph)
    assert (pair.first, pair.second) == ("one", "two")
    divided = divide_pair(network, pair, ways)
    check_shapes(divided.network)
    assert len(divided.branches) == ways
    np.testing.assert_allclose(run(divided.network), run(network), rtol=1e-5, atol=1e-5)
    if first["kind"] != "SeparableConv2D":
        np.testing.assert_array_equal(values(divided.network), values(network))


@pytest.mark.parametrize("kind", sorted(BETWEEN))
def test_every_kind_between(kind: str) -> None:
    one, two = layers.Conv2D(5, 3, name="one"), layers.Conv2D(4, 1, name="two")
    network = network_of(one, BETWEEN[kind](), two)
    (pair,), _ = find_pairs(network.graph)
    divided = divide_pair(network, pair, 2).network
    check_shapes(divided)
    np.testing.assert_array_equal(values(divided), values(network))
    np.testing.assert_allclose(run(divided), run(network), rtol=1e-5, atol=1e-5)


def test_all_kinds_between_are_tried() -> None:
    tried = {type(make()).__name__ for make in BETWEEN.values()}
    assert tried == {k.name for k in LAYER_KINDS if k.channels is ChannelFlow.KEPT}


@pytest.mark.parametrize("ways", [2, 3])
@pytest.mark.parametrize("family", sorted(zoo.FAMILIES))
def test_all_pairs_of_every_family_at_once(family: str, ways: int) -> None:
    network = read_network(zoo.FAMILIES[family](keras))
    graph = network.graph
    pairs, reasons = find_pairs(graph)
    for why in reasons.values():
        assert any(re.search(rf"\b{re.escape(name)}\b", why) for name in graph.position)
    divided, busy, repeated = network, set[str](), 0
    for pair in pairs:
        if busy.isdisjoint(pair.layers):
            busy.update(pair.layers)
            divided = divide_pair(divided, pair, ways).network
            spec = graph.layer(pair.first).weights[0]
            repeated += (ways - 1) * spec.elements if spec.name == "depthwise_kernel" else 0
    assert bool(busy) == (family not in {"residual", "recurrent_residual", "operators"})
    check_shapes(divided)
    assert divided.graph.parameters == graph.parameters + repeated
    np.testing.assert_allclose(run(divided), run(network), atol=1e-5)


def test_one_pair_by_hand() -> None:
    """The first branch has the bias; the activation follows the sum and bears the old name."""
    network = network_of(
        layers.Conv2D(20, 3, activation="relu", name="one"),
        layers.Conv2D(4, 3, activation="sigmoid", name="two"),
    )
    (pair,), _ = find_pairs(network.graph)
    assert pair == ConvolutionPair(("one", "two"))
    divided = divide_pair(network, pair, 2)
    assert divided.branches == (("one_branch_0", "two_branch_0"), ("one_branch_1", "two_branch_1"))
    graph, weights = divided.network.graph, divided.network.weights
    names = [layer.name for layer in graph.layers]
    assert names == [*divided.branches[0], *divided.branches[1], "two_sum", "two"]
    kernel, bias = network.weights["two"]
    np.testing.assert_array_equal(weights["two_branch_0"][0], kernel[:, :, :8])
    np.testing.assert_array_equal(weights["two_branch_0"][1], bias)
    np.testing.assert_array_equal(weights["two_branch_1"][0], kernel[:, :, 8:])
    assert len(weights["two_branch_1"]) == 1
    assert graph.layer("two_sum").inputs == ("two_branch_0", "two_branch_1")
    assert graph.layer("two_branch_1").config["activation"] == "linear"
    assert graph.layer("two").config == {"activation": "sigmoid"}
    np.testing.assert_allclose(run(divided.network), run(network), atol=1e-6)
    assert graph.outputs == ("two",)


def test_a_name_that_is_taken_is_not_taken_twice() -> None:
    network = network_of(
        layers.Conv2D(4, 1, name="x"),
        layers.Conv2D(4, 1, name="x_branch_0"),
        layers.Conv2D(4, 1, activation="relu", name="x_branch_0_sum"),
    )
    pairs, _ = find_pairs(network.graph)
    for pair in pairs:
        divided = divide_pair(network, pair, 2).network
        assert len(divided.graph.position) == len(divided.graph.layers)
        np.testing.assert_allclose(run(divided), run(network), atol=1e-5)


@pytest.mark.parametrize(
    ("middle", "reason"),
    [
        (layers.Softmax, r"between \(Softmax\) works on its channels together"),
        (lambda: layers.Activation("softmax"), "between .* works on its channels together"),
        (lambda: layers.GroupNormalization(2), "between .* works on its channels together"),
        (lambda: layers.BatchNormalization(axis=1), "between .* works on its channels together"),
        (lambda: layers.Permute((2, 1, 3)), "between .* works on its channels together"),
        (lambda: layers.Rescaling([0.1, 1, 2, 3]), "between .* by a number of its own"),
        (lambda: layers.DepthwiseConv2D(3, activation="softmax"), "between .* together"),
        (lambda: layers.Conv2D(4, 3, groups=2), r"between .* works on its channels in 2 groups"),
    ],
)
def test_what_mixes_channels_is_named(middle: Any, reason: str) -> None:
    between = middle()
    between.name = "between"
    one, two = layers.Conv2D(4, 3, name="one"), layers.Conv2D(2, 1, name="two")
    pairs, reasons = find_pairs(network_of(one, between, two).graph)
    assert pairs == ()
    assert re.fullmatch(reason, reasons["one"])
    assert reasons["two"] == "two is the network's output"


def test_what_others_read_is_named() -> None:
    image = keras.Input((8, 8, 1), name="image")
    skip = layers.Conv2D(4, 3, padding="same", name="skip")(image)
    deep = layers.Conv2D(4, 3, padding="same", name="deep")(skip)
    joined = layers.Add(name="join")([skip, deep])
    head = layers.Conv2D(2, 1, activation="softmax", name="head")(joined)
    pairs, reasons = find_pairs(read_network(keras.Model(image, head)).graph)
    assert pairs == ()
    assert reasons == {
        "skip": "skip is read by deep and join",
        "deep": "join (Add) joins deep with another tensor",
        "head": "head (Conv2D) works on its channels together",
    }


def test_a_softmax_after_the_sum_is_exact() -> None:
    head = layers.Conv2D(3, 1, activation="softmax", name="head")
    network = network_of(layers.Conv2D(8, 3, name="one"), head)
    (pair,), _ = find_pairs(network.graph)
    np.testing.assert_allclose(run(divide_pair(network, pair, 3).network), run(network), atol=1e-6)


@given(channels=st.integers(1, 2000), ways=st.integers(1, 64))
def test_channels_are_shared_evenly(channels: int, ways: int) -> None:
    assume(channels >= ways)
    shares = share_channels(channels, ways)
    unit = 8 if channels >= 8 * ways else 1
    assert (len(shares), sum(shares)) == (ways, channels)
    assert all(share > 0 and share % unit == 0 for share in shares[:-1])
    assert max(shares) - min(shares) < 2 * unit
    assert max(shares) < channels / ways + unit


def test_shares_by_hand() -> None:
    assert share_channels(512, 2) == (256, 256)
    assert share_channels(100, 3) == (32, 32, 36)
    assert share_channels(40, 3) == (16, 16, 8)
    assert share_channels(7, 3) == (3, 2, 2)
