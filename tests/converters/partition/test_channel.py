"""Branches stand where weights weigh most, chain to the model's output, and share its weights."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import zoo
from chains import assert_chained
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeseg.boards.boards_file import BoardEntry, BoardsFile
from edgeseg.bundle.manifest import Decoding, Preprocessing
from edgeseg.errors import BudgetError, EdgesegError, UsageError
from edgeseg.network.graph import Graph
from edgeseg_converters.compress.calibration import noise_images
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.output_meaning import decoding
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network
from edgeseg_converters.partition.channel import TOLERANCE, channel
from edgeseg_converters.partition.complexity import METRICS
from edgeseg_converters.partition.request import Cut, PartitionRequest
from edgeseg_converters.tflite.check import Check, compare, require_same
from edgeseg_converters.tflite.export import Compiled, compile_graph

pytestmark = pytest.mark.tensorflow

keras = import_keras()
layers = keras.layers
BASE = 16
PREPROCESSING = Preprocessing((0.0, 255.0), (zoo.SIZE, zoo.SIZE))
IMAGES = noise_images(PREPROCESSING, 1)
REFUSED = {
    "residual": "joins conv2d.* with another tensor",
    "recurrent_residual": "joins re_lu.* with another tensor",
    "operators": r"\(Multiply\) joins conv2d.* with another tensor",
    "separable": r"separable_conv2d.* and conv2d.* come nearest, with .*KiB to send",
}
"""Families without two neighbouring convolutions, or with too light ones."""


@cache
def network_of(family: str) -> Network:
    return read_network(zoo.FAMILIES[family](keras, base=4 * BASE if family == "nested" else BASE))


@cache
def uncut_of(family: str) -> Compiled:
    network = network_of(family)
    return compile_graph(network.graph, network.weights)


def stack(*widths: int, size: int = 4, head: int = 3) -> Network:
    """Build convolutions one after the other, deep enough for their weights to dominate."""
    image = x = keras.Input((size, size, 1), name="image")
    for index, width in enumerate(widths):
        x = layers.Conv2D(width, 3, padding="same", activation="relu", name=f"conv_{index}")(x)
    x = layers.Conv2D(head, 1, activation="sigmoid", name="head")(x)
    return read_network(zoo._seeded(keras.Model(image, x)))


def compare_with(cut: Cut, uncut: Compiled, images: Any, how: Decoding) -> Check:
    pieces = [compile_graph(piece, cut.network.weights) for piece in cut.pieces]
    _, height, width, _ = uncut.graph.inputs[0].shape
    return compare(uncut, pieces, images, Preprocessing((0.0, 255.0), (height, width)), how)


def branches_of(cut: Cut, layer: str) -> list[Graph]:
    """Return the pieces that hold a branch of the layer."""
    return [
        piece
        for piece in cut.pieces
        if any(other.name.startswith(f"{layer}_branch_") for other in piece.layers)
    ]


@pytest.mark.parametrize("ways", [2, 3])
@pytest.mark.parametrize("family", sorted(zoo.FAMILIES))
def test_every_family_chains_or_is_refused(family: str, ways: int) -> None:
    network = network_of(family)
    if family in REFUSED or (family, ways) == ("batch_norm", 3):
        reason = REFUSED.get(family, "conv2d.* and conv2d_transpose.* come nearest")
        with pytest.raises(UsageError, match=reason):
            channel(network, PartitionRequest(ways=ways))
        return
    cut = channel(network, PartitionRequest(ways=ways))
    assert_chained(cut.network.graph, cut.pieces)
    assert cut.network.graph.parameters == network.graph.parameters
    how, _ = decoding(network.graph)
    check = compare_with(cut, uncut_of(family), IMAGES, how)
    assert check.max_abs_difference <= TOLERANCE / 10
    require_same(check, cut.tolerance)


@settings(max_examples=5, deadline=None)
@given(
    widths=st.lists(st.sampled_from([12, 16, 24, 33]), min_size=2, max_size=4),
    ways=st.integers(2, 4),
    share=st.none() | st.floats(0.3, 1),
)
def test_any_stack_chains(widths: list[int], ways: int, share: float | None) -> None:
    network = stack(*widths)
    bound = None if share is None else int(share * METRICS["flops"](network.graph))
    try:
        cut = channel(network, PartitionRequest(ways=ways, max_complexity=bound))
    except EdgesegError:
        return
    assert_chained(cut.network.graph, cut.pieces)
    assert bound is None or all(METRICS["flops"](piece) <= bound for piece in cut.pieces)
    assert cut.network.graph.parameters == network.graph.parameters
    uncut = compile_graph(network.graph, network.weights)
    how, _ = decoding(network.graph)
    images = [np.ones((1, 4, 4, 1), np.float32)]
    require_same(compare_with(cut, uncut, images, how), cut.tolerance)


def test_branches_are_pieces_and_the_sum_heads_the_next() -> None:
    cut = channel(network_of("plain"), PartitionRequest(ways=3))
    branches = [
        index
        for index, piece in enumerate(cut.pieces)
        if any("_branch_" in layer.name for layer in piece.layers)
    ]
    assert len(branches) == 3
    assert branches == list(range(branches[0], branches[0] + 3))
    merge = cut.pieces[branches[-1] + 1].layers[0]
    assert merge.kind == "Add"
    made = {tensor for index in branches for tensor in cut.pieces[index].outputs}
    assert set(merge.inputs) == made
    assert {cut.pieces[index].inputs for index in branches} == {cut.pieces[branches[0]].inputs}


@pytest.mark.parametrize("ways", [2, 4, 8])
def test_each_branch_has_its_share_of_the_weights(ways: int) -> None:
    network = stack(64, 64, size=1)
    cut = channel(network, PartitionRequest(ways=ways))
    whole = sum(network.graph.layer(name).parameters for name in ("conv_0", "conv_1"))
    heaviest = max(piece.parameters for piece in branches_of(cut, "conv_0"))
    assert whole / ways <= heaviest <= whole / ways + 64


def test_the_first_piece_may_be_a_branch() -> None:
    cut = channel(stack(32, 32), PartitionRequest(ways=2))
    assert cut.pieces[0] == branches_of(cut, "conv_0")[0]
    assert_chained(cut.network.graph, cut.pieces)


def test_the_heaviest_of_overlapping_pairs_is_divided() -> None:
    cut = channel(stack(16, 16, 48, 48, 16, 16), PartitionRequest(ways=2))
    assert [note.split(" (")[0] for note in cut.notes[:2]] == [
        "conv_2 and conv_3",
        "conv_4 and conv_5",
    ]
    assert not branches_of(cut, "head")


def test_few_pieces_divide_the_heaviest_pair_alone() -> None:
    network = stack(16, 16, 48, 48, 16, 16)
    cut = channel(network, PartitionRequest(ways=2, max_partitions=4))
    assert len(cut.pieces) == 4
    assert len(branches_of(cut, "conv_2")) == 2
    with pytest.raises(BudgetError, match="max_partitions is 3"):
        channel(network, PartitionRequest(ways=2, max_partitions=3))


def test_complexity_bounds_the_stretches_too() -> None:
    network = network_of("plain")
    bound = METRICS["flops"](network.graph) // 3
    cut = channel(network, PartitionRequest(ways=2, max_complexity=bound))
    assert all(METRICS["flops"](piece) <= bound for piece in cut.pieces)
    with pytest.raises(BudgetError, match="more than max_complexity"):
        channel(network, PartitionRequest(ways=2, max_complexity=1000))


def test_one_branch_a_board_unless_told() -> None:
    three = BoardsFile(tuple(BoardEntry(name) for name in ("a", "b", "c")))
    network = stack(32, 32)
    assert len(branches_of(channel(network, PartitionRequest()), "conv_0")) == 2
    assert len(branches_of(channel(network, PartitionRequest(boards=three)), "conv_0")) == 3
    both = PartitionRequest(ways=2, boards=three)
    assert len(branches_of(channel(network, both), "conv_0")) == 2


def test_a_heavy_convolution_left_whole_is_noted() -> None:
    image = keras.Input((4, 4, 1), name="image")
    x = layers.Conv2D(32, 3, padding="same", name="one")(image)
    x = layers.Conv2D(32, 3, padding="same", name="two")(x)
    x = layers.BatchNormalization(name="norm")(x)
    y = layers.Conv2D(32, 3, padding="same", groups=1, name="deep")(x)
    x = layers.Conv2D(3, 1, activation="sigmoid", name="head")(layers.Add(name="join")([x, y]))
    cut = channel(read_network(zoo._seeded(keras.Model(image, x))), PartitionRequest(ways=2))
    assert cut.notes == (
        "one and two (37.4 KiB of weights): divided over 2 branches",
        "deep (36.1 KiB of weights) stays whole: join (Add) joins deep with another tensor",
    )


@pytest.mark.parametrize("ways", [-1, 0, 1])
def test_fewer_than_two_ways_are_refused(ways: int) -> None:
    with pytest.raises(UsageError, match=f"divided {ways} ways; give ways 2 or more"):
        channel(network_of("plain"), PartitionRequest(ways=ways))


def test_more_ways_than_channels_are_refused() -> None:
    with pytest.raises(UsageError, match="ways 33 is more than the 32 channels of conv_0"):
        channel(stack(32, 16), PartitionRequest(ways=33))


def test_pairs_of_too_few_channels_are_passed_over() -> None:
    cut = channel(stack(4, 64, 32, size=1), PartitionRequest(ways=5))
    assert branches_of(cut, "conv_1")
    assert not branches_of(cut, "conv_0")


def test_light_pairs_are_refused_with_their_bytes() -> None:
    reason = "conv_0 and conv_1 .*of weights.* come nearest, with .*KiB to send; use another"
    with pytest.raises(UsageError, match=reason):
        channel(stack(8, 8, size=64), PartitionRequest(ways=2))


def test_a_model_without_convolutions_is_refused() -> None:
    image = keras.Input((4, 4, 1))
    network = read_network(keras.Model(image, layers.Activation("sigmoid")(image)))
    with pytest.raises(UsageError, match="it has no convolutions"):
        channel(network, PartitionRequest())
