"""A network, whole or cut, computes what the model it came from computes."""

import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import zoo

from edgeseg.errors import ModelError
from edgeseg.network.graph import Graph, Tensor
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras, import_tf_keras
from edgeseg_converters.keras.rebuild import build, scope_name
from edgeseg_converters.network import Network

pytestmark = pytest.mark.tensorflow

keras = import_keras()
tf_keras = import_tf_keras()


def run(model: Any, *arrays: Any) -> list[Any]:
    outputs = model(list(arrays), training=False)
    return [np.asarray(output) for output in keras.tree.flatten(outputs)]


def pieces(graph: Graph, cuts: list[int]) -> list[Graph]:
    names = [layer.name for layer in graph.layers]
    bounds = [0, *sorted(cuts), len(names)]
    return [
        graph.subgraph(f"piece{index}", names[start:stop])
        for index, (start, stop) in enumerate(pairwise(bounds))
    ]


@pytest.mark.parametrize("module", [keras, tf_keras], ids=["keras", "tf_keras"])
@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_the_whole_gives_the_original_output(family: str, module: Any) -> None:
    model = zoo.FAMILIES[family](module)
    images = zoo.random_images()
    expected = np.asarray(model(images, training=False))
    assert expected.std() > 0.01
    (output,) = run(build(read_network(model), "again"), images)
    np.testing.assert_allclose(output, expected, rtol=0, atol=0 if module is keras else 1e-6)


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_pieces_in_order_give_the_same_bits_as_the_whole(family: str) -> None:
    network = read_network(zoo.FAMILIES[family](keras))
    graph = network.graph
    cuts = random.Random(family).sample(range(1, len(graph.layers)), 5)
    images = zoo.random_images()
    arrays = {graph.inputs[0].name: images}
    for piece in pieces(graph, cuts):
        model = build(Network(piece, network.weights), piece.name)
        outputs = run(model, *(arrays[tensor.name] for tensor in piece.inputs))
        arrays.update(zip(piece.outputs, outputs, strict=True))
    (expected,) = run(build(network, "whole"), images)
    np.testing.assert_array_equal(arrays[graph.outputs[0]], expected)


def test_pieces_keep_the_order_and_names_of_their_tensors() -> None:
    network = read_network(zoo.nested(keras))
    piece = pieces(network.graph, [2])[1]
    model = build(Network(piece, network.weights), "a piece/1")
    assert model.name == "a.piece.1"
    assert [tensor.name for tensor in model.inputs] == [scope_name(t.name) for t in piece.inputs]
    assert [tuple(tensor.shape) for tensor in model.inputs] == [t.shape for t in piece.inputs]
    assert [layer.name for layer in model.layers if "/" in layer.name] == []


def test_an_output_may_be_read_on_inside() -> None:
    network = read_network(zoo.plain(keras))
    first, second = (layer.name for layer in network.graph.layers[:2])
    graph = replace(network.graph.subgraph("two", [first, second]), outputs=(second, first))
    model = build(Network(graph, network.weights), "two")
    late, early = run(model, zoo.random_images())
    (alone,) = run(
        build(Network(network.graph.subgraph("one", [first]), network.weights), "one"),
        zoo.random_images(),
    )
    assert not np.array_equal(late, early)
    np.testing.assert_array_equal(early, alone)


def test_weights_of_another_shape_are_an_error() -> None:
    network = read_network(zoo.plain(keras))
    name = network.graph.layers[0].name
    kernel, bias = network.weights[name]
    with pytest.raises(ModelError, match="do not have the shapes") as caught:
        build(Network(network.graph, {**network.weights, name: (kernel[:2], bias)}), "bad")
    assert "\n" not in str(caught.value)


def test_a_layer_that_does_not_fit_is_an_error() -> None:
    network = read_network(zoo.plain(keras))
    graph = replace(network.graph, inputs=(Tensor("image", (1, 33, 33, 1)),))
    with pytest.raises(ModelError, match="does not fit its input of") as caught:
        build(Network(graph, network.weights), "bad")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "scoped"),
    [
        ("conv", "conv"),
        ("a/b", "a.b"),
        ("_x", "._x"),
        ("größe 1", "gr..e.1"),
        ("tf.add_1", "tf.add_1"),
    ],
)
def test_names_are_written_as_tensorflow_allows(name: str, scoped: str) -> None:
    assert scope_name(name) == scoped
