"""A piece becomes TFLite bytes whose ports bear the graph's tensor names."""

import numpy as np
import pytest
import zoo

from edgeseg.errors import ModelError
from edgeseg.inference.engine import open_engine
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network
from edgeseg_converters.tflite.export import compile_graph

pytestmark = pytest.mark.tensorflow

keras = import_keras()
layers = keras.layers


def crossed() -> Network:
    """Two inputs and two outputs of one shape each, in an order that sorting would change."""
    image = keras.Input((8, 8, 1), name="image")
    z = layers.Conv2D(2, 1, name="z")(image)
    a = layers.Conv2D(2, 1, name="a")(image)
    difference = layers.Subtract(name="minus")([z, a])
    sides = [layers.ReLU(name="y")(difference), layers.ELU(name="b")(difference)]
    model = keras.Model(image, layers.Add(name="end")(sides))
    model.set_weights([np.full(w.shape, 0.1 * (i + 1)) for i, w in enumerate(model.get_weights())])
    return read_network(model)


def test_ports_keep_the_order_of_the_graph_whatever_the_names() -> None:
    network = crossed()
    piece = network.graph.subgraph("piece", ["minus", "y", "b"])
    compiled = compile_graph(piece, network.weights)
    values = {"z": np.full((1, 8, 8, 2), -2, np.float32), "a": np.full((1, 8, 8, 2), 1, np.float32)}
    made = open_engine(compiled.model).run([values[port.tensor] for port in compiled.inputs])
    found = {port.tensor: array for port, array in zip(compiled.outputs, made, strict=True)}
    assert set(found) == set(piece.outputs)
    np.testing.assert_array_equal(found["y"], 0)
    np.testing.assert_allclose(found["b"], np.expm1(-3), rtol=1e-6)


@pytest.mark.parametrize("family", ["plain", "nested", "operators"])
def test_file_computes_what_keras_does(family: str) -> None:
    model = zoo.FAMILIES[family](keras)
    network = read_network(model)
    image = zoo.random_images()
    compiled = compile_graph(network.graph, network.weights)
    (output,) = open_engine(compiled.model).run([image])
    np.testing.assert_allclose(output, model.predict(image, verbose=0), atol=1e-5)


def test_same_graph_gives_the_same_bytes() -> None:
    network = read_network(zoo.plain(keras))
    first, second = (compile_graph(network.graph, network.weights).model for _ in range(2))
    assert first == second


def test_many_inputs_keep_their_places() -> None:
    image = keras.Input((4, 4, 1), name="image")
    parts = [layers.Rescaling(1.0, name=f"part{index}")(image) for index in range(12)]
    graph = read_network(keras.Model(image, layers.Concatenate(name="join")(parts))).graph
    compiled = compile_graph(graph.subgraph("piece", ["join"]), {})
    arrays = [
        np.full(port.shape, int(port.tensor.removeprefix("part")), np.float32)
        for port in compiled.inputs
    ]
    (joined,) = open_engine(compiled.model).run(arrays)
    np.testing.assert_array_equal(joined[0, 0, 0], np.arange(12))


def test_layer_names_may_hold_any_character() -> None:
    image = keras.Input((4, 4, 1), name="a picture")
    network = read_network(keras.Model(image, layers.Conv2D(1, 1, name="näme: 1 & 2")(image)))
    compiled = compile_graph(network.graph, network.weights)
    assert [port.tensor for port in compiled.inputs] == ["a picture"]
    assert [port.tensor for port in compiled.outputs] == ["näme: 1 & 2"]


def test_operation_that_litert_lacks_is_named_with_its_layer() -> None:
    image = keras.Input((4, 4, 1), name="image")
    x = layers.Conv2D(2, 3, padding="same", name="fine")(image)
    x = layers.UpSampling2D(2, interpolation="bicubic", name="smooth")(x)
    network = read_network(keras.Model(image, x))
    with pytest.raises(ModelError, match=r"layer smooth \(UpSampling2D\) needs \w+, which LiteRT"):
        compile_graph(network.graph, network.weights)


def test_outputs_have_the_shapes_of_the_graph() -> None:
    network = read_network(zoo.attention(keras))
    half = [layer.name for layer in network.graph.layers[:9]]
    piece = network.graph.subgraph("piece", half)
    compiled = compile_graph(piece, network.weights)
    shapes = {port.tensor: port.shape for port in compiled.outputs}
    assert shapes == {name: piece.tensors[name].shape for name in piece.outputs}


def test_ports_keep_the_order_of_the_graph_however_many_there_are() -> None:
    image = keras.Input((4, 4, 1), name="image")
    read = [layers.Conv2D(1, 1, name=f"read_{number}")(image) for number in range(12)]
    made = [layers.ReLU(name=f"made_{number}")(tensor) for number, tensor in enumerate(read)]
    network = read_network(keras.Model(image, layers.Add()(made)))
    piece = network.graph.subgraph("piece", [f"made_{number}" for number in range(12)])
    compiled = compile_graph(piece, network.weights)
    assert [port.tensor for port in compiled.inputs] == [tensor.name for tensor in piece.inputs]
    assert [port.tensor for port in compiled.outputs] == list(piece.outputs)
    numbers = [int(port.tensor.removeprefix("read_")) for port in compiled.inputs]
    arrays = [np.full((1, 4, 4, 1), number, np.float32) for number in numbers]
    outputs = open_engine(compiled.model).run(arrays)
    assert {
        port.tensor: array.flat[0] for port, array in zip(compiled.outputs, outputs, strict=True)
    } == {f"made_{number}": number for number in range(12)}
