"""Rows and channels divided in one network: every tile has its share of both."""

from functools import cache

import pytest
import zoo
from chains import assert_chained

from edgeseg.bundle.manifest import Preprocessing
from edgeseg.errors import BudgetError, UsageError
from edgeseg_converters.compress.calibration import noise_images
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.output_meaning import decoding
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.layers.cost import graph_cost
from edgeseg_converters.network import Network
from edgeseg_converters.partition.request import Cut, PartitionRequest
from edgeseg_converters.partition.tiling.rows import data, rows_and_channels
from edgeseg_converters.partition.tiling.tiles import TOLERANCE, in_tiles
from edgeseg_converters.tflite.check import compare, require_same
from edgeseg_converters.tflite.export import compile_graph

pytestmark = pytest.mark.tensorflow

PREPROCESSING = Preprocessing((0.0, 255.0), (zoo.SIZE, zoo.SIZE))
IMAGES = noise_images(PREPROCESSING, 2)
WITHOUT_PAIRS = frozenset({"residual", "recurrent_residual", "operators", "separable"})
"""Families of which no two convolutions can be divided by channels, or none is worth it."""


@cache
def network_of(family: str) -> Network:
    return read_network(zoo.FAMILIES[family](import_keras(), base=64 if family == "nested" else 16))


def divided(network: Network, request: PartitionRequest) -> Cut:
    return rows_and_channels(network, request).cut


def branches_of(cut: Cut) -> list[tuple[int, str]]:
    """Return the number of the piece and the name of each layer of a branch."""
    return [
        (number, layer.name)
        for number, piece in enumerate(cut.pieces)
        for layer in piece.layers
        if "_branch_" in layer.name and layer.weights
    ]


@pytest.mark.parametrize("family", sorted(zoo.FAMILIES))
def test_pieces_of_every_family_give_the_uncut_output_or_it_is_refused(family: str) -> None:
    network = network_of(family)
    if family in WITHOUT_PAIRS:
        with pytest.raises(UsageError, match=r"no two convolutions .*; use another strategy"):
            divided(network, PartitionRequest(ways=2))
        return
    cut = divided(network, PartitionRequest(ways=2))
    assert_chained(cut.network.graph, cut.pieces)
    assert branches_of(cut)
    assert any(".rows1" in layer.name for piece in cut.pieces for layer in piece.layers)
    uncut = compile_graph(network.graph, network.weights)
    pieces = [compile_graph(piece, cut.network.weights) for piece in cut.pieces]
    check = compare(uncut, pieces, IMAGES, PREPROCESSING, decoding(network.graph)[0])
    assert cut.tolerance == TOLERANCE == 1e-6
    require_same(check, cut.tolerance)


@pytest.mark.parametrize("ways", [2, 3])
def test_a_branch_reads_all_rows_beside_its_tile_and_the_sum_is_in_rows(ways: int) -> None:
    cut = divided(network_of("plain"), PartitionRequest(ways=ways))
    graph = cut.network.graph
    pieces_with_branches = [number for number, _ in branches_of(cut)]
    assert len(set(pieces_with_branches)) == ways
    (first, *_) = [layer for layer in graph.layers if layer.name.endswith("_branch_0")]
    (entry,) = first.inputs
    assert entry.endswith(".whole0")
    for way in range(ways):
        beside = graph.layer(first.name.replace("_branch_0", f"_branch_{way}"))
        assert beside.inputs == (entry.replace(".whole0", f".whole{way}"),)
    sums = [layer for layer in graph.layers if layer.kind == "Add"]
    assert len(sums) == ways
    rows = graph.tensors[entry].shape[1]
    assert rows <= sum(layer.output.shape[1] for layer in sums) < ways * rows  # a halo more
    assert {len(layer.inputs) for layer in sums} == {ways}


def test_no_tile_has_all_weights_nor_computes_more_than_with_rows_alone() -> None:
    network = network_of("plain")
    request = PartitionRequest(ways=2)
    mixed, rows = divided(network, request), in_tiles(network, request, {}).cut
    flops, parameters = (
        [getattr(graph_cost(cut.network.graph), figure) for cut in (mixed, rows)]
        for figure in ("flops", "parameters")
    )
    assert flops[0] <= flops[1]
    assert parameters[0] < 0.8 * parameters[1]


def test_what_is_divided_is_said() -> None:
    cut = divided(network_of("plain"), PartitionRequest(ways=2))
    assert cut.notes[0].startswith("rows are divided into 2 tiles in ")
    assert all(note.endswith("divided over 2 branches") for note in cut.notes[1:])
    assert len(cut.notes) > 1


@pytest.mark.parametrize(("ways", "reason"), [(1, "into 1 tiles"), (99, "99 tiles are more than")])
def test_too_few_or_too_many_tiles_are_refused(ways: int, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        divided(network_of("plain"), PartitionRequest(ways=ways))


def test_a_budget_that_no_division_keeps_is_refused() -> None:
    with pytest.raises(BudgetError):
        divided(network_of("plain"), PartitionRequest(ways=2, max_partitions=2))


def test_channels_are_divided_where_that_is_sooner() -> None:
    """With all weights in both boards' memory rows alone do where rows are many and weights few."""
    heavy, light = network_of("plain"), read_network(zoo.plain(import_keras(), base=4))
    request = PartitionRequest(ways=2)
    sooner = [
        in_tiles(one, request, {}).seconds > rows_and_channels(one, request).seconds
        for one in (heavy, light)
    ]
    assert [bool(branches_of(data(one, request))) for one in (heavy, light)] == sooner
    without = read_network(zoo.residual(import_keras()))
    assert not branches_of(data(without, request))
