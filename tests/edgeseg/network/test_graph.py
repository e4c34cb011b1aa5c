"""Graphs as data: look-ups, sub-graphs, and the tensors alive at every cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.network.graph import Graph, Layer, Tensor, WeightSpec, live_tensors


def tensor(name: str, channels: int = 1) -> Tensor:
    return Tensor(name, (1, 4, 4, channels))


def layer(name: str, *inputs: str, weights: tuple[WeightSpec, ...] = ()) -> Layer:
    return Layer(name, "Add", inputs, tensor(name), {}, weights)


def skip_graph() -> Graph:
    """Make image -> a -> b -> c -> d, with a skip from a to d."""
    layers = (layer("a", "image"), layer("b", "a"), layer("c", "b"), layer("d", "a", "c"))
    return Graph("skip", (tensor("image"),), ("d",), layers)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw a graph whose every layer reads one to three earlier tensors."""
    names = ["image"]
    layers = []
    for index in range(draw(st.integers(1, 12))):
        read = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3))
        layers.append(layer(f"l{index}", *read))
        names.append(f"l{index}")
    outputs = draw(st.lists(st.sampled_from(names[1:]), unique=True, max_size=2))
    last = names[-1]
    return Graph(
        "random", (tensor("image"),), tuple(dict.fromkeys([*outputs, last])), tuple(layers)
    )


def test_tensor_counts_its_bytes() -> None:
    assert Tensor("t", (1, 2, 3, 4)).elements == 24
    assert Tensor("t", (1, 2, 3, 4)).nbytes == 96
    assert Tensor("t", (1, 2, 3, 4), "int8").nbytes == 24


def test_parameters_add_up_over_weights_and_layers() -> None:
    weights = (WeightSpec("kernel", (3, 3, 1, 2)), WeightSpec("bias", (2,)))
    graph = Graph("g", (tensor("i"),), ("b",), (layer("a", "i", weights=weights), layer("b", "a")))
    assert graph.layer("a").parameters == graph.parameters == 20


def test_consumers_are_listed_once_each_and_in_order() -> None:
    graph = Graph("g", (tensor("i"),), ("b",), (layer("a", "i", "i"), layer("b", "a", "i")))
    assert graph.consumers == {"i": ("a", "b"), "a": ("b",), "b": ()}


def test_a_piece_reads_and_leaves_the_skip_that_crosses_it() -> None:
    graph = skip_graph()
    first = graph.subgraph("first", ["a", "b"])
    last = graph.subgraph("last", ["c", "d"])
    assert [t.name for t in first.inputs] == ["image"]
    assert first.outputs == ("a", "b")
    assert [t.name for t in last.inputs] == ["a", "b"]
    assert last.outputs == ("d",)


def test_an_output_that_is_read_on_stays_alive_to_the_end() -> None:
    layers = (layer("a", "image"), layer("b", "a"))
    graph = Graph("g", (tensor("image"),), ("a", "b"), layers)
    assert [[t.name for t in alive] for alive in live_tensors(graph)] == [["a"], ["a", "b"]]


def test_live_tensors_of_a_skip() -> None:
    names = [[t.name for t in alive] for alive in live_tensors(skip_graph())]
    assert names == [["a"], ["a", "b"], ["a", "c"], ["d"]]


@given(graphs())
def test_live_tensors_are_what_crosses_each_cut(graph: Graph) -> None:
    for index, alive in enumerate(live_tensors(graph)):
        before = {"image", *(member.name for member in graph.layers[: index + 1])}
        read_later = {name for later in graph.layers[index + 1 :] for name in later.inputs}
        crossing = before & (read_later | set(graph.outputs))
        assert {t.name for t in alive} == crossing


@given(graphs(), st.data())
def test_pieces_between_cuts_hand_over_exactly_what_the_next_ones_read(
    graph: Graph, data: st.DataObject
) -> None:
    names = [member.name for member in graph.layers]
    cut = data.draw(st.integers(0, len(names)))
    head, tail = graph.subgraph("head", names[:cut]), graph.subgraph("tail", names[cut:])
    available = {"image", *head.outputs}
    assert {t.name for t in tail.inputs} <= available
    assert set(graph.outputs) <= {*head.outputs, *tail.outputs}


def test_an_unknown_layer_is_an_error() -> None:
    with pytest.raises(KeyError):
        skip_graph().layer("nowhere")
