"""Layers that TFLite fuses stand in one group; everything else can be cut."""

import pytest
import zoo
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.network.graph import Graph, Layer, Tensor
from edgeseg_converters.fusion import fused_groups
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras

pytestmark = pytest.mark.tensorflow

SHAPE = (1, 4, 4, 2)
KINDS = ("Conv2D", "BatchNormalization", "ReLU", "Add", "MaxPooling2D", "ZeroPadding2D")


def graph_of(*steps: tuple[str, str, tuple[str, ...]], outputs: tuple[str, ...]) -> Graph:
    layers = tuple(Layer(name, kind, inputs, Tensor(name, SHAPE)) for name, kind, inputs in steps)
    return Graph("g", (Tensor("image", SHAPE),), outputs, layers)


def test_padding_convolution_norm_and_activation_are_one_group() -> None:
    graph = graph_of(
        ("pad", "ZeroPadding2D", ("image",)),
        ("conv", "Conv2D", ("pad",)),
        ("norm", "BatchNormalization", ("conv",)),
        ("relu", "ReLU", ("norm",)),
        ("pool", "MaxPooling2D", ("relu",)),
        outputs=("pool",),
    )
    assert fused_groups(graph) == (("pad", "conv", "norm", "relu"), ("pool",))


def test_norm_before_a_convolution_belongs_to_it() -> None:
    graph = graph_of(
        ("norm", "BatchNormalization", ("image",)), ("conv", "Conv2D", ("norm",)), outputs=("conv",)
    )
    assert fused_groups(graph) == (("norm", "conv"),)


def test_merge_takes_its_activation() -> None:
    graph = graph_of(
        ("a", "Conv2D", ("image",)),
        ("b", "Conv2D", ("image",)),
        ("sum", "Add", ("a", "b")),
        ("relu", "ReLU", ("sum",)),
        outputs=("relu",),
    )
    assert fused_groups(graph) == (("a",), ("b",), ("sum", "relu"))


def test_tensor_that_others_read_is_never_fused_away() -> None:
    graph = graph_of(
        ("conv", "Conv2D", ("image",)),
        ("relu", "ReLU", ("conv",)),
        ("sum", "Add", ("conv", "relu")),
        outputs=("sum",),
    )
    assert fused_groups(graph) == (("conv",), ("relu",), ("sum",))


def test_output_of_the_graph_is_never_fused_away() -> None:
    graph = graph_of(
        ("conv", "Conv2D", ("image",)), ("relu", "ReLU", ("conv",)), outputs=("conv", "relu")
    )
    assert fused_groups(graph) == (("conv",), ("relu",))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    names = ["image"]
    steps = []
    for index in range(draw(st.integers(1, 15))):
        kind = draw(st.sampled_from(KINDS))
        sources = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2))
        name = f"n{index}"
        steps.append((name, kind, tuple(sources) if kind == "Add" else (sources[0],)))
        names.append(name)
    return graph_of(*steps, outputs=(names[-1],))


@given(graphs())
def test_groups_hold_every_layer_once_in_topological_order(graph: Graph) -> None:
    groups = fused_groups(graph)
    assert sorted(name for group in groups for name in group) == sorted(graph.position)
    made = {"image"}
    for group in groups:
        read = {tensor for name in group for tensor in graph.layer(name).inputs}
        assert read - set(group) <= made
        made |= set(group)


@given(graphs())
def test_only_the_last_tensor_leaves_a_group(graph: Graph) -> None:
    for group in fused_groups(graph):
        for name in group[:-1]:
            assert graph.consumers[name] == (group[group.index(name) + 1],)


@pytest.mark.parametrize("family", ["batch_norm", "separable"])
def test_no_piece_can_begin_with_a_norm_that_follows_a_convolution(family: str) -> None:
    graph = read_network(zoo.FAMILIES[family](import_keras())).graph
    for group in fused_groups(graph):
        layer = graph.layer(group[0])
        if layer.kind == "BatchNormalization":
            assert graph.layer(layer.inputs[0]).kind not in {"Conv2D", "DepthwiseConv2D"}
