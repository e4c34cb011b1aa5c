"""What is estimated of pieces before they are compiled is near what is measured after."""

from functools import cache

import pytest
import zoo

from edgeseg.boards.boards_file import WORKER_BASE, BoardEntry, BoardsFile, LinkEntry
from edgeseg.boards.link import GIGABIT, Link
from edgeseg.errors import PlacementError, UsageError
from edgeseg.inference.measure import measure_piece
from edgeseg.planning.problem.from_pieces import REFERENCE_FLOPS
from edgeseg.text.units import MIB
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network
from edgeseg_converters.partition import Partition, PartitionRequest, strategies
from edgeseg_converters.partition.estimate import (
    AMPLE_MEMORY,
    Sketch,
    crossing_bytes,
    estimate,
    forecast,
)
from edgeseg_converters.tflite.export import compile_graph

pytestmark = pytest.mark.tensorflow


@cache
def network_of(family: str = "plain", size: int = zoo.SIZE, base: int = zoo.BASE) -> Network:
    return read_network(zoo.FAMILIES[family](import_keras(), size, base))


def pieces_of(network: Network, most: int = 3) -> Partition:
    return strategies()["adaptive"].cut(network, PartitionRequest(max_partitions=most)).pieces


def test_memory_is_estimated_within_a_third() -> None:
    network = network_of("plain", 128, 16)
    for piece in pieces_of(network):
        measured = measure_piece(compile_graph(piece, network.weights).model)
        sketch = Sketch(piece)
        assert sketch.peak_memory_bytes == pytest.approx(measured.peak_memory_bytes, rel=0.34)
        assert sketch.resident_memory_bytes == pytest.approx(
            measured.resident_memory_bytes, rel=0.34
        )


def test_boards_that_are_not_said_are_alike_and_ample() -> None:
    pieces = pieces_of(network_of())
    problem = estimate(pieces, PartitionRequest())
    assert [(b.memory_limit, b.cores) for b in problem.boards] == [(AMPLE_MEMORY, 1)] * 2
    assert problem.links == (GIGABIT, GIGABIT)
    assert problem.estimated
    assert len(estimate(pieces, PartitionRequest(ways=5)).boards) == 5


def test_boards_that_are_said_count_as_they_are() -> None:
    quick = BoardEntry(name="a", memory="1GiB", cores=4, speed=2.0, up="100Mbit", latency_ms=1)
    file = BoardsFile((quick, BoardEntry(name="b", memory="2GiB")), LinkEntry(down="10Mbit"))
    pieces = pieces_of(network_of())
    problem = estimate(pieces, PartitionRequest(boards=file))
    assert problem.links == (Link(12.5e6, 125e6, 0.001), GIGABIT)
    assert problem.coordinator == Link(125e6, 1.25e6)
    assert [b.base_memory for b in problem.boards] == [WORKER_BASE] * 2
    flops = Sketch(pieces[0]).flops
    assert problem.pieces[0].seconds == (flops / REFERENCE_FLOPS / 2, flops / REFERENCE_FLOPS)
    with pytest.raises(UsageError, match="c has no memory"):
        estimate(pieces, PartitionRequest(boards=BoardsFile((BoardEntry(name="c"),))))


def test_tensors_travel_from_maker_to_readers_and_image_and_mask_in_bytes() -> None:
    pieces = pieces_of(network_of())
    image, *_, mask = estimate(pieces, PartitionRequest()).flows
    assert (image.wire_bytes, image.held_bytes) == (32 * 32, 4 * 32 * 32)
    assert (mask.wire_bytes, mask.held_bytes, mask.returns) == (3 * 32 * 32, 12 * 32 * 32, True)
    between = [flow for flow in estimate(pieces, PartitionRequest()).flows if flow.readers][1:]
    assert sum(flow.wire_bytes for flow in between) == crossing_bytes(pieces, "none") > 0
    for flow in between:
        assert flow.producer is not None
        assert all(flow.producer < reader for reader in flow.readers)


def test_int8_takes_a_quarter() -> None:
    pieces = pieces_of(network_of())
    assert 4 * crossing_bytes(pieces, "int8") == crossing_bytes(pieces, "none")
    exact, rough = Sketch(pieces[1]), Sketch(pieces[1], "int8")
    assert 4 * rough.weight_bytes == exact.weight_bytes
    assert rough.resident_memory_bytes < exact.resident_memory_bytes
    assert Sketch(pieces[1], "dynamic").inputs == exact.inputs


def test_forecast_places_or_says_what_is_lacking() -> None:
    pieces = pieces_of(network_of())
    placed = forecast(pieces, PartitionRequest())
    assert placed is not None
    assert placed.name == "whole"
    small = BoardsFile((BoardEntry(name="a", memory=f"{WORKER_BASE // MIB}MiB"),))
    with pytest.raises(PlacementError, match="on a, which has"):
        forecast(pieces, PartitionRequest(boards=small))
