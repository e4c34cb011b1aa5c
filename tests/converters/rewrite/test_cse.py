"""Equal layers without weights are computed once, and pieces chain all the same."""

import numpy as np
import pytest
import zoo

from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network
from edgeseg_converters.rewrite.cse import merge_common_subexpressions
from edgeseg_converters.tflite.chain import outputs_of
from edgeseg_converters.tflite.export import compile_graph

pytestmark = pytest.mark.tensorflow


def network_of(family: str) -> Network:
    return read_network(zoo.FAMILIES[family](import_keras()))


def test_equal_layers_are_computed_once() -> None:
    network = network_of("u_net_3_plus")
    pools = [layer for layer in network.graph.layers if layer.kind == "MaxPooling2D"]
    merged = merge_common_subexpressions(network)
    (gone,) = set(network.graph.position) - set(merged.graph.position)
    assert gone in {layer.name for layer in pools}
    assert gone not in merged.graph.consumers
    assert merge_common_subexpressions(merged).graph == merged.graph
    plain = network_of("plain")
    assert merge_common_subexpressions(plain).graph == plain.graph


def test_a_piece_with_both_twins_is_compiled() -> None:
    network = network_of("u_net_3_plus")
    whole = compile_graph(network.graph, network.weights)
    merged = merge_common_subexpressions(network)
    last = merged.graph.layers[-1].name
    first = merged.graph.subgraph("first", (n for n in merged.graph.position if n != last))
    parts = [first, merged.graph.subgraph("last", [last])]
    pieces = [compile_graph(part, merged.weights) for part in parts]
    image = np.linspace(0, 1, zoo.SIZE**2, dtype=np.float32).reshape(1, zoo.SIZE, zoo.SIZE, 1)
    np.testing.assert_array_equal(outputs_of(pieces, [image]), outputs_of([whole], [image]))
