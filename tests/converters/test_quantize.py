"""Lower precisions: smaller files, nearly the same probabilities, int8 from end to end."""

from collections.abc import Sequence

import numpy as np
import pytest
import zoo

from edgeseg_converters.chain import Image, outputs_of, stages
from edgeseg_converters.export import Compiled, compile_graph
from edgeseg_converters.keras_graph import read_network
from edgeseg_converters.network import Network
from edgeseg_converters.partition import STRATEGIES, PartitionRequest
from edgeseg_converters.quantize import SETUPS, int8
from edgeseg_converters.quiet import import_keras

IMAGES: Sequence[Image] = list(zoo.random_images(4)[:, np.newaxis])


def network_of(family: str) -> Network:
    return read_network(zoo.FAMILIES[family](import_keras(), base=8))


def float_pieces(network: Network) -> list[Compiled]:
    partition = STRATEGIES["adaptive"](network.graph, PartitionRequest(max_partitions=4))
    return [compile_graph(piece, network.weights) for piece in partition]


@pytest.mark.parametrize("family", ["plain", "batch_norm"])
def test_int8_is_full_integer_and_close(family: str) -> None:
    network = network_of(family)
    pieces = float_pieces(network)
    quantized = [
        compile_graph(piece.graph, network.weights, int8(entering))
        for piece, entering in zip(pieces, stages(pieces, IMAGES), strict=False)
    ]
    ports = [port for piece in quantized for port in (*piece.inputs, *piece.outputs)]
    assert {port.dtype for port in ports} == {"int8"}
    assert all(port.scale is not None and port.zero_point is not None for port in ports)
    for exact, rough in zip(outputs_of(pieces, IMAGES), outputs_of(quantized, IMAGES), strict=True):
        assert 0 < np.abs(exact - rough).max() < 0.05
    assert sum(len(piece.model) for piece in quantized) < sum(len(piece.model) for piece in pieces)


def test_calibration_sees_the_activations_that_reach_the_piece() -> None:
    network = network_of("plain")
    pieces = float_pieces(network)
    entering = list(stages(pieces, IMAGES))[1]
    second = compile_graph(pieces[1].graph, network.weights, int8(entering))
    for port in second.inputs:
        assert port.scale is not None
        assert port.zero_point is not None
        highest = max(float(alive[port.tensor].array.max()) for alive in entering)
        assert port.scale * (127 - port.zero_point) >= highest * 0.99


@pytest.mark.parametrize("precision", sorted(SETUPS))
def test_weights_alone_shrink(precision: str) -> None:
    network = network_of("plain")
    exact = compile_graph(network.graph, network.weights)
    rough = compile_graph(network.graph, network.weights, SETUPS[precision])
    assert len(rough.model) < 0.8 * len(exact.model)
    assert {port.dtype for port in (*rough.inputs, *rough.outputs)} == {"float32"}
    for one, other in zip(outputs_of([exact], IMAGES), outputs_of([rough], IMAGES), strict=True):
        assert np.abs(one - other).max() < 0.05
