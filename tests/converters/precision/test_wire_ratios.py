"""What codecs make of the tensors between pieces is what they make of those of real runs."""

from collections.abc import Sequence

import numpy as np
import pytest
import zoo

from edgeseg.codecs.names import CODECS
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.partition import PartitionRequest, strategies
from edgeseg_converters.precision.wire_ratios import measure_wire_ratios
from edgeseg_converters.tflite.export import Compiled, compile_graph

pytestmark = pytest.mark.tensorflow

IMAGES: Sequence[ModelInput] = list(zoo.random_images(6)[:, np.newaxis])


def _pieces(count: int) -> list[Compiled]:
    keras = import_keras()
    network = read_network(zoo.undecided(keras, next(iter(zoo.FAMILIES.values()))(keras)))
    cut = strategies()["adaptive"].cut(network, PartitionRequest(max_partitions=count))
    return [
        compile_graph(
            network.graph.subgraph(piece.name, [layer.name for layer in piece.layers]),
            network.weights,
        )
        for piece in cut.pieces
    ]


def test_every_tensor_that_crosses_is_measured_with_every_codec() -> None:
    pieces = _pieces(3)
    ratios = measure_wire_ratios(pieces, IMAGES)
    crossing = {port.tensor for piece in pieces[1:] for port in piece.inputs}
    made = {port.tensor for piece in pieces for port in piece.outputs}
    assert ratios.keys() == crossing & made
    for of_tensor in ratios.values():
        assert of_tensor.keys() == set(CODECS) - {"none"}
        assert all(0 < ratio <= 1 for ratio in of_tensor.values())
        assert of_tensor["int8"] < 0.3


def test_nothing_is_measured_without_slices_or_cuts() -> None:
    assert measure_wire_ratios(_pieces(3), []) == {}
    assert measure_wire_ratios(_pieces(1), IMAGES) == {}
