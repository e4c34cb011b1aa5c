"""Which channels go together: side by side, summed, scaled, flattened, or not to be touched."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import zoo

from edgeseg.network.graph import Graph
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.rewrite.channel_classes import Channels, trace_channels, weight_axes

pytestmark = pytest.mark.tensorflow

keras = import_keras()
layers = keras.layers


def graph_of(middle: Callable[[Any], Any]) -> Graph:
    """Put layers between a convolution of six filters and one that makes the output."""
    image = keras.Input((8, 8, 2), name="image")
    x = layers.Conv2D(6, 3, padding="same", name="first")(image)
    x = middle(x)
    make = layers.Conv2D if len(x.shape) == 4 else layers.Dense
    x = make(2, *([1] if make is layers.Conv2D else []), activation="sigmoid", name="head")(x)
    return read_network(keras.Model(image, x)).graph


def axes_of(graph: Graph, channels: Channels, layer: str, weight: str) -> dict[int, Any]:
    found = graph.layer(layer)
    (spec,) = [spec for spec in found.weights if spec.name == weight]
    return weight_axes(found, spec, channels.tensors)


def groups_of(channels: Channels) -> dict[tuple[str, ...], int]:
    return {group.layers: len(group.classes) for group in channels.groups}


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_every_family_keeps_its_head_alone(family: str) -> None:
    graph = read_network(zoo.FAMILIES[family](keras)).graph
    channels = trace_channels(graph)
    assert channels.protected == {"regions": "it makes the network's output"}
    for name, tensor in graph.tensors.items():
        assert len(channels.tensors[name]) == tensor.shape[-1]
    grouped = np.concatenate([group.classes for group in channels.groups])
    assert len(set(grouped.tolist())) == len(grouped)


def test_concatenation_puts_channels_side_by_side() -> None:
    def join(x: Any) -> Any:
        return layers.Concatenate(name="join")([layers.Conv2D(3, 1, name="side")(x), x])

    graph = graph_of(join)
    channels = trace_channels(graph)
    side, first, joined = (channels.tensors[name] for name in ("side", "first", "join"))
    np.testing.assert_array_equal(joined, [*side, *first])
    np.testing.assert_array_equal(axes_of(graph, channels, "head", "kernel")[2], joined)
    assert groups_of(channels) == {("first",): 6, ("side",): 3}


@pytest.mark.parametrize("merge", ["Add", "Subtract", "Average", "Maximum", "Minimum", "Multiply"])
def test_what_is_merged_goes_together(merge: str) -> None:
    graph = graph_of(lambda x: getattr(layers, merge)()([x, layers.Conv2D(6, 1, name="other")(x)]))
    channels = trace_channels(graph)
    assert groups_of(channels) == {("first", "other"): 6}
    np.testing.assert_array_equal(channels.tensors["first"], channels.tensors["other"])


def test_a_sum_with_a_concatenation_splits_a_layer_among_two_groups() -> None:
    def middle(x: Any) -> Any:
        joined = layers.Concatenate()([x, layers.Conv2D(2, 1, name="two")(x)])
        return layers.Add()([joined, layers.Conv2D(8, 1, name="eight")(x)])

    channels = trace_channels(graph_of(middle))
    assert groups_of(channels) == {("first", "eight"): 6, ("two", "eight"): 2}


def test_a_map_of_one_channel_ties_nothing() -> None:
    def gate(x: Any) -> Any:
        return layers.Multiply()([x, layers.Conv2D(1, 1, name="map")(x)])

    channels = trace_channels(graph_of(gate))
    assert groups_of(channels) == {("first",): 6, ("map",): 1}
    assert len(set(channels.tensors["first"].tolist())) == 6


def test_squeeze_and_excitation_is_tied_to_what_it_weighs() -> None:
    def weigh(x: Any) -> Any:
        y = layers.GlobalAveragePooling2D()(x)
        y = layers.Dense(6, activation="sigmoid", name="excite")(y)
        return layers.Multiply()([x, layers.Reshape((1, 1, 6))(y)])

    assert groups_of(trace_channels(graph_of(weigh))) == {("first", "excite"): 6}


def test_depthwise_convolution_hands_on_what_it_reads() -> None:
    graph = graph_of(layers.DepthwiseConv2D(3, depth_multiplier=2, name="depth"))
    channels = trace_channels(graph)
    first = channels.tensors["first"]
    np.testing.assert_array_equal(channels.tensors["depth"], np.repeat(first, 2))
    assert list(axes_of(graph, channels, "depth", "kernel")) == [2]
    assert groups_of(channels) == {("first",): 6}


def test_kernels_lie_as_their_kind_lays_them() -> None:
    def middle(x: Any) -> Any:
        x = layers.Conv2DTranspose(6, 2, name="up")(x)
        x = layers.SeparableConv2D(6, 3, depth_multiplier=2, name="separable")(x)
        return layers.PReLU(shared_axes=[1, 2], name="slope")(x)

    graph = graph_of(middle)
    channels = trace_channels(graph)
    first, up, separable = (channels.tensors[name] for name in ("first", "up", "separable"))
    expected = {
        ("first", "kernel"): {2: channels.tensors["image"], 3: first},
        ("first", "bias"): {0: first},
        ("up", "kernel"): {2: up, 3: first},
        ("separable", "depthwise_kernel"): {2: up},
        ("separable", "pointwise_kernel"): {2: np.repeat(up, 2), 3: separable},
        ("slope", "alpha"): {2: separable},
    }
    for (layer, weight), axes in expected.items():
        found = axes_of(graph, channels, layer, weight)
        assert found.keys() == axes.keys()
        for axis, classes in axes.items():
            np.testing.assert_array_equal(found[axis], classes)


@pytest.mark.parametrize(
    "rearrange",
    [layers.Flatten(), layers.Reshape((-1,)), layers.Reshape((8, 48)), layers.Permute((2, 1, 3))],
    ids=["flatten", "reshape_flat", "reshape_rows", "permute"],
)
def test_a_rearranged_channel_is_followed(rearrange: Any) -> None:
    graph = graph_of(rearrange)
    channels = trace_channels(graph)
    width = graph.tensors[graph.layers[1].name].shape[-1]
    np.testing.assert_array_equal(
        channels.tensors[graph.layers[1].name], np.tile(channels.tensors["first"], width // 6)
    )
    assert channels.protected.keys() == {"head"}


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (layers.Conv2D(6, 3, groups=2, name="mid"), "works on its channels in 2 groups"),
        (layers.Permute((3, 1, 2), name="mid"), "mixes its channels with other axes"),
        (layers.Reshape((8, 16, 3), name="mid"), "mixes its channels with other axes"),
        (layers.LayerNormalization(name="mid"), "normalizes its channels together"),
        (layers.GroupNormalization(3, name="mid"), "normalizes its channels together"),
        (layers.BatchNormalization(axis=1, name="mid"), "normalizes its channels together"),
        (layers.Softmax(name="mid"), "is taken over its channels"),
        (layers.Activation("softmax", name="mid"), "ends in a softmax over its channels"),
        (layers.Rescaling([1.0] * 6, name="mid"), "scales each of its channels by a number"),
    ],
)
def test_channels_that_depend_on_each_other_are_protected(layer: Any, reason: str) -> None:
    channels = trace_channels(graph_of(layer))
    assert reason in channels.protected["first"]
    assert channels.protected["first"].startswith("mid (")
    assert channels.groups == ()


@pytest.mark.parametrize(
    "layer",
    [
        layers.GroupNormalization(-1),
        layers.Softmax(axis=[1, 2]),
        layers.PReLU(shared_axes=[1, 2, 3]),
        layers.Resizing(4, 4),
    ],
)
def test_channels_that_are_treated_one_by_one_are_free(layer: Any) -> None:
    assert groups_of(trace_channels(graph_of(layer))) == {("first",): 6}


def test_a_softmax_at_the_end_of_a_layer_binds_what_leaves_it_alone() -> None:
    channels = trace_channels(graph_of(layers.Conv2D(5, 1, activation="softmax", name="mid")))
    assert groups_of(channels) == {("first",): 6}
    assert channels.protected["mid"] == "mid (Conv2D) ends in a softmax over its channels"


def test_what_is_summed_with_the_image_or_the_output_is_protected() -> None:
    image = keras.Input((8, 8, 2), name="image")
    x = layers.Add()([image, layers.Conv2D(2, 1, name="with_image")(image)])
    x = layers.Conv2D(4, 1, name="free")(x)
    head = layers.Conv2D(2, 1, name="head")(x)
    x = layers.Average()([layers.ReLU()(head), layers.Conv2D(2, 1, name="with_head")(x)])
    channels = trace_channels(read_network(keras.Model(image, x)).graph)
    assert channels.protected == {
        "with_image": "its channels are joined with the image's",
        "head": "it makes the network's output",
        "with_head": "it makes the network's output",
    }
    assert groups_of(channels) == {("free",): 4}


def test_one_protected_channel_protects_all_of_its_layers() -> None:
    def middle(x: Any) -> Any:
        kept = layers.Conv2D(2, 1, name="kept")(x)
        joined = layers.Concatenate()([layers.Conv2D(4, 1, name="beside")(x), kept])
        summed = layers.Add()([joined, layers.Conv2D(6, 1, name="sum")(x)])
        return layers.Concatenate()([summed, layers.LayerNormalization(name="norm")(kept)])

    channels = trace_channels(graph_of(middle))
    assert channels.protected.keys() == {"kept", "beside", "sum", "head"}
    assert groups_of(channels) == {("first",): 6}
