"""Lower precisions: smaller files, nearly the same probabilities, int8 from end to end."""

from collections.abc import Sequence

import numpy as np
import pytest
import zoo

from edgeseg.inference.quantization import dequantize, requantize
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.recipe import Precision
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network
from edgeseg_converters.partition import PartitionRequest
from edgeseg_converters.partition.adaptive import adaptive
from edgeseg_converters.precision.quantize import SETUPS, converter_setups, int8
from edgeseg_converters.tflite.chain import outputs_of, stages
from edgeseg_converters.tflite.export import Compiled, compile_graph

pytestmark = pytest.mark.tensorflow

IMAGES: Sequence[ModelInput] = list(zoo.random_images(4)[:, np.newaxis])


def network_of(family: str) -> Network:
    return read_network(zoo.FAMILIES[family](import_keras(), base=8))


def float_pieces(network: Network) -> list[Compiled]:
    partition = adaptive(network.graph, PartitionRequest(max_partitions=4))
    return [compile_graph(piece, network.weights) for piece in partition]


@pytest.mark.parametrize("family", ["plain", "batch_norm"])
def test_int8_is_full_integer_and_close(family: str) -> None:
    network = network_of(family)
    pieces = float_pieces(network)
    quantized = [
        compile_graph(piece.graph, network.weights, int8(entering, piece))
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
    second = compile_graph(pieces[1].graph, network.weights, int8(entering, pieces[1]))
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


def test_each_piece_may_have_a_precision_of_its_own() -> None:
    network = network_of("plain")
    pieces = float_pieces(network)
    precisions: list[Precision] = ["int8", "none", "float16", "int8"]
    mixed = [
        compile_graph(piece.graph, network.weights, setup)
        for piece, setup in zip(pieces, converter_setups(precisions, pieces, IMAGES), strict=True)
    ]
    for piece, exact, precision in zip(mixed, pieces, precisions, strict=True):
        dtypes = {port.dtype for port in (*piece.inputs, *piece.outputs)}
        assert dtypes == {"int8" if precision == "int8" else "float32"}
        assert (piece.model == exact.model) == (precision == "none")
    for one, other in zip(outputs_of(pieces, IMAGES), outputs_of(mixed, IMAGES), strict=True):
        assert 0 < np.abs(one - other).max() < 0.05


def test_neighbours_calibrated_alike_agree_or_are_requantized() -> None:
    network = network_of("plain")
    pieces = float_pieces(network)
    same: list[Precision] = ["int8"] * len(pieces)
    quantized = [
        compile_graph(piece.graph, network.weights, setup)
        for piece, setup in zip(pieces, converter_setups(same, pieces, IMAGES), strict=True)
    ]
    makers = {port.tensor: port for piece in quantized for port in piece.outputs}
    readers = [port for piece in quantized for port in piece.inputs if port.tensor in makers]
    every = np.arange(-128, 128, dtype=np.int8)
    kept = [requantize(every, makers[port.tensor], port) is every for port in readers]
    # A tensor that enters a concatenation has the scale of the whole; the others pass unchanged.
    assert any(kept)
    for port, unchanged in zip(readers, kept, strict=True):
        values = dequantize(requantize(every, makers[port.tensor], port), port)
        low, high = values.min(), values.max()
        expected = np.clip(dequantize(every, makers[port.tensor]), low, high)
        assert port.scale is not None
        assert unchanged or np.abs(values - expected).max() <= 0.51 * port.scale
