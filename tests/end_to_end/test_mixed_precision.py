"""Pieces of different precision hand tensors to each other, also from board to board."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import zoo
from numpy.typing import NDArray
from processes import Workers

from edgeseg.boards.boards_file import BoardEntry
from edgeseg.boards.placement import Lane, Placement
from edgeseg.bundle.bundle_file import Bundle, write_bundle
from edgeseg.bundle.manifest import FORMAT, Decoding, Label, Manifest, Preprocessing
from edgeseg.imaging.levels import to_input
from edgeseg.imaging.slices import SliceGeometry, to_probabilities
from edgeseg_converters.assemble import assemble
from edgeseg_converters.compress.recipe import Precision
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network
from edgeseg_converters.partition import PartitionRequest
from edgeseg_converters.partition.adaptive import adaptive
from edgeseg_converters.precision.quantize import converter_setups
from edgeseg_converters.tflite.chain import outputs_of
from edgeseg_converters.tflite.export import Compiled, compile_graph
from edgeseg_runtime.coordination.backlog import PendingSlice
from edgeseg_runtime.coordination.coordinator import Coordinator

PREPROCESSING = Preprocessing((0.0, 255.0), (zoo.SIZE, zoo.SIZE))
SLICES: Sequence[NDArray[np.uint8]] = list(
    np.random.default_rng(4).integers(0, 256, (5, zoo.SIZE, zoo.SIZE), np.uint8)
)
IMAGES = [to_input(grey, PREPROCESSING) for grey in SLICES]


@pytest.fixture(scope="module")
def network() -> Network:
    return read_network(zoo.residual(import_keras()))


def mixed_pieces(network: Network, precisions: Sequence[Precision]) -> list[Compiled]:
    """Cut a network into as many pieces as there are precisions."""
    request = PartitionRequest(max_partitions=len(precisions))
    partition = adaptive(network.graph, request)
    exact = [compile_graph(piece, network.weights) for piece in partition]
    lower = converter_setups(precisions, exact, IMAGES)
    return [
        compile_graph(piece, network.weights, setup)
        for piece, setup in zip(partition, lower, strict=True)
    ]


def bundle_of(network: Network, pieces: Sequence[Compiled], path: Path) -> Bundle:
    assembled = assemble(pieces, network.weights, lambda **_: None)
    manifest = Manifest(
        format=FORMAT,
        model_name="mixed",
        model_sha256="0" * 64,
        preprocessing=PREPROCESSING,
        labels=tuple(Label(value, f"label {value}", "#ff8800") for value in (1, 2, 3)),
        decoding=Decoding("sigmoid", (1, 2, 3)),
        pieces=assembled.pieces,
        settings={},
        versions={},
    )
    write_bundle(path, manifest, assembled.packed)
    return Bundle(path)


@pytest.mark.parametrize(
    "precisions", [("int8", "none", "int8", "none"), ("none", "int8", "int8", "float16")]
)
def test_workers_and_the_chain_agree_bit_by_bit(
    workers: Workers, network: Network, tmp_path: Path, precisions: Sequence[Precision]
) -> None:
    pieces = mixed_pieces(network, precisions)
    assert [{port.dtype for port in piece.outputs} for piece in pieces] == [
        {"int8" if precision == "int8" else "float32"} for precision in precisions
    ]
    bundle = bundle_of(network, pieces, tmp_path / "mixed.edgeseg")
    names = [piece.name for piece in bundle.manifest.pieces]
    coordinator = Coordinator(bundle, [BoardEntry(name, workers.start().endpoint) for name in "ab"])
    try:
        coordinator.deploy(Placement((Lane(dict(zip(names, "abab", strict=True)), 3),), {}))
        # So large a slice is not decoded on a board: probabilities come back.
        stream = [
            PendingSlice(index, SliceGeometry(1024, 1024), grey)
            for index, grey in enumerate(SLICES)
        ]
        results = {result.index: result.array for result in coordinator.stream(stream)}
    finally:
        coordinator.close()
    for index, output in enumerate(outputs_of(pieces, IMAGES)):
        np.testing.assert_array_equal(results[index], to_probabilities(output))
