"""The data strategy: row tiles in pieces, and what it refuses."""

from functools import cache
from typing import Any

import pytest
import zoo
from chains import assert_chained

from edgeseg.boards.boards_file import BoardEntry, BoardsFile
from edgeseg.bundle.manifest import Preprocessing
from edgeseg.errors import BudgetError, UsageError
from edgeseg_converters.compress.calibration import noise_images
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.output_meaning import decoding
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.layers.cost import graph_cost
from edgeseg_converters.network import Network
from edgeseg_converters.partition import cut_network
from edgeseg_converters.partition.banded import banded
from edgeseg_converters.partition.request import Cut, PartitionRequest
from edgeseg_converters.partition.tiling.rows import data
from edgeseg_converters.partition.tiling.tiles import in_tiles
from edgeseg_converters.rewrite.cse import merge_common_subexpressions
from edgeseg_converters.rewrite.winograd import to_winograd
from edgeseg_converters.tflite.check import compare, require_same
from edgeseg_converters.tflite.export import Compiled, compile_graph

pytestmark = pytest.mark.tensorflow

PREPROCESSING = Preprocessing((0.0, 255.0), (zoo.SIZE, zoo.SIZE))
IMAGES = noise_images(PREPROCESSING, 2)
FAMILIES = sorted(zoo.FAMILIES)
WITH_MANY_PIECES = frozenset({"plain", "u_net_3_plus", "up_sampling"})
"""Families of which the many pieces of slow boards are compiled too."""


@cache
def network_of(family: str) -> Network:
    return merge_common_subexpressions(read_network(zoo.FAMILIES[family](import_keras())))


@cache
def uncut_of(family: str) -> Compiled:
    network = network_of(family)
    return compile_graph(network.graph, network.weights)


def boards(count: int, speed: float = 1.0) -> BoardsFile:
    return BoardsFile(
        tuple(BoardEntry(name=f"b{i}", memory="1GiB", speed=speed) for i in range(count))
    )


def slow(count: int) -> PartitionRequest:
    """Boards on which computing a row twice takes longer than anything else."""
    return PartitionRequest(boards=boards(count, speed=1e-4))


@pytest.mark.parametrize("family", FAMILIES)
def test_pieces_of_every_family_give_the_uncut_output(family: str) -> None:
    ways = 2 + FAMILIES.index(family) % 3
    network = network_of(family)
    requests = [PartitionRequest(ways=ways), *([slow(2)] if family in WITH_MANY_PIECES else [])]
    for request in requests:
        cut = data(network, request)
        pieces = [compile_graph(piece, cut.network.weights) for piece in cut.pieces]
        how, _ = decoding(network.graph)
        check = compare(uncut_of(family), pieces, IMAGES, PREPROCESSING, how)
        require_same(check, cut.tolerance)
        assert check.mask_agreement == 1


@pytest.mark.parametrize("ways", [2, 3, 4])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_cut_for_every_number_of_tiles(family: str, ways: int) -> None:
    network = network_of(family)
    for request in (PartitionRequest(ways=ways), slow(ways)):
        cut = data(network, request)
        assert_chained(cut.network.graph, cut.pieces)


def test_halos_are_computed_where_that_is_cheap_and_passed_on_where_it_is_not() -> None:
    network = network_of("plain")
    flops = graph_cost(network.graph).flops
    cheap = data(network, PartitionRequest(boards=boards(2, speed=1e4)))
    assert len(cheap.pieces) == 3
    dear = data(network, slow(2))
    assert len(dear.pieces) > 10
    assert flops <= graph_cost(dear.network.graph).flops < graph_cost(cheap.network.graph).flops


def test_there_are_as_many_tiles_as_boards_unless_told() -> None:
    network = network_of("plain")
    assert "3 tiles" in data(network, PartitionRequest(boards=boards(3))).notes[0]
    assert "2 tiles" in data(network, PartitionRequest(boards=boards(3), ways=2)).notes[0]
    assert "2 tiles" in data(network, PartitionRequest()).notes[0]


def test_what_needs_all_rows_runs_whole_between_the_tiles() -> None:
    network = with_bottleneck("Flatten")
    cut = data(network, slow(2))
    assert_chained(cut.network.graph, cut.pieces)
    tiled = {layer.name for layer in cut.network.graph.layers if ".rows" in layer.name}
    assert {"fine.rows0", "fine.rows1", "end.rows0", "end.rows1"} <= tiled
    assert "deep" in cut.network.graph.position
    uncut = compile_graph(network.graph, network.weights)
    pieces = [compile_graph(piece, cut.network.weights) for piece in cut.pieces]
    how, _ = decoding(network.graph)
    require_same(compare(uncut, pieces, IMAGES, PREPROCESSING, how), cut.tolerance)


def with_bottleneck(kind: str) -> Network:
    """A U-Net of one level around dense layers that need every pixel."""
    keras = import_keras()
    kinds = keras.layers
    image = keras.Input((32, 32, 1), name="image")
    skip = kinds.Conv2D(4, 3, padding="same", name="fine")(image)
    x = kinds.MaxPooling2D(8)(skip)
    x = getattr(kinds, kind)()(x)
    x = kinds.Reshape((4, 4, 4))(kinds.Dense(64, name="deep")(x))
    x = kinds.Concatenate()([skip, kinds.Conv2DTranspose(4, 8, strides=8, name="up")(x)])
    x = kinds.Conv2D(3, 3, padding="same", activation="sigmoid", name="end")(x)
    return read_network(zoo._seeded(keras.Model(image, x)))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (PartitionRequest(ways=1), "at least 2"),
        (PartitionRequest(boards=boards(1)), "at least 2"),
        (PartitionRequest(ways=33), "more than the image's 32 rows; ask for at most 32"),
    ],
)
def test_impossible_numbers_of_tiles_are_refused(request_: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        data(network_of("plain"), request_)


def test_a_network_without_rows_to_divide_says_which_layer_stands_in_the_way() -> None:
    keras = import_keras()
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.GroupNormalization(1, name="norm")(image)
    network = read_network(zoo._seeded(keras.Model(image, x)))
    with pytest.raises(UsageError, match=r"layer norm \(GroupNormalization\) needs all rows"):
        data(network, PartitionRequest())


def test_a_budget_takes_the_fastest_division_that_keeps_to_it() -> None:
    network = network_of("plain")
    request = slow(2)
    free = data(network, request)
    few = data(network, PartitionRequest(boards=request.boards, max_partitions=5))
    assert len(few.pieces) <= 5 < len(free.pieces)
    with pytest.raises(BudgetError, match="max_partitions is 2"):
        data(network, PartitionRequest(max_partitions=2))
    with pytest.raises(BudgetError, match="more than max_complexity"):
        data(network, PartitionRequest(max_complexity=1000))


@cache
def wide() -> Network:
    """A network with convolutions of 128 channels."""
    return read_network(zoo.plain(import_keras(), base=64))


def takes_fewer_products(cut: Cut) -> bool:
    return any(layer.kind == "WinogradConv2D" for layer in cut.network.graph.layers)


def test_float32_takes_fewer_products_and_the_same_bits_stand_by() -> None:
    cut = data(wide(), PartitionRequest(ways=2))
    assert takes_fewer_products(cut)
    assert cut.notes[-1] == (
        "3x3 convolutions of 128 channels and more take a third fewer products"
    )
    assert cut.otherwise is not None
    stands_by = cut.otherwise()
    assert not takes_fewer_products(stands_by)
    assert stands_by.pieces == in_tiles(wide(), PartitionRequest(ways=2), {}).cut.pieces
    assert not takes_fewer_products(data(wide(), PartitionRequest(ways=2, precision="int8")))
    assert not takes_fewer_products(data(network_of("plain"), PartitionRequest(ways=2)))


def test_what_stands_by_is_held_to_the_activations_too() -> None:
    request = PartitionRequest(ways=2, max_activations=2**18)
    cut = cut_network(wide(), "data", request)
    assert takes_fewer_products(cut)
    exact = banded(in_tiles(wide(), request, {}).cut, request)
    assert any("alive at once" in note for note in exact.notes)
    assert cut.otherwise is not None
    assert cut.otherwise() == exact


def test_fewer_products_need_boards_that_have_the_memory() -> None:
    """The kernels take a third more, which is why some boards hold the others alone."""

    def request(memory: int) -> PartitionRequest:
        entries = (BoardEntry(name=name, memory=f"{memory}MiB") for name in "ab")
        return PartitionRequest(boards=BoardsFile(tuple(entries)))

    fewer = to_winograd(wide())
    assert [in_tiles(fewer, request(memory), {}).fits for memory in (80, 160)] == [False, True]
    assert not takes_fewer_products(data(wide(), request(80)))
    assert takes_fewer_products(data(wide(), request(160)))
