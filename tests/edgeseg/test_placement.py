"""Placement: every piece placed once a lane, within memory, as fast as can be."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifests import KIB, chain_manifest, manifests

from edgeseg.boards import Board
from edgeseg.errors import PlacementError
from edgeseg.manifest import Manifest
from edgeseg.placement import Lane, lane_rate, memory_need, pieces_and_slices, place, slice_bytes

BOARDS = st.lists(
    st.builds(
        Board,
        name=st.uuids().map(str),
        memory_limit=st.integers(0, 4000).map(lambda kib: kib * KIB),
        base_memory=st.integers(0, 500).map(lambda kib: kib * KIB),
        cores=st.integers(1, 4),
        speed=st.floats(0.1, 10),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda board: board.name,
)


def _here(lane: Lane, board: str) -> frozenset[str]:
    return frozenset(piece for piece, name in lane.boards.items() if name == board)


@given(manifests(), BOARDS)
def test_a_placement_is_complete_and_within_memory(manifest: Manifest, boards: list[Board]) -> None:
    """Every piece once a lane, each board in one lane, the window counted in bytes."""
    try:
        placement = place(manifest, boards)
    except PlacementError:
        return
    by_name = {board.name: board for board in boards}
    assert placement.lanes
    for lane in placement.lanes:
        assert list(lane.boards) == [piece.name for piece in manifest.pieces]
        assert lane.window >= 1
        for name in lane.members:
            need = memory_need(manifest, by_name[name], _here(lane, name), lane.window)
            assert need <= by_name[name].memory_limit
    members = [name for lane in placement.lanes for name in lane.members]
    assert len(members) == len(set(members))
    assert {*members, *placement.left_out} == set(by_name)
    assert not set(members) & set(placement.left_out)


@given(manifests(), BOARDS)
def test_a_board_that_holds_the_bundle_is_a_lane_of_its_own(
    manifest: Manifest, boards: list[Board]
) -> None:
    everything = frozenset(piece.name for piece in manifest.pieces)
    whole = {b.name for b in boards if memory_need(manifest, b, everything, 1) <= b.memory_limit}
    if whole:
        alone = {m for lane in place(manifest, boards).lanes for m in lane.members if m in whole}
        lanes = [lane.members for lane in place(manifest, boards).lanes]
        assert alone == whole
        assert all((name,) in lanes for name in whole)


@given(
    st.lists(st.integers(1, 100), min_size=2, max_size=6),
    st.lists(st.integers(100, 400), min_size=1, max_size=3),
)
def test_a_chain_is_as_fast_as_the_best_of_all(flops: list[int], shares: list[int]) -> None:
    """Against every way to cut the pieces into runs, empty ones included, and every window.

    With boards of one speed a slice takes the same time however the pieces are cut.
    """
    manifest = chain_manifest(flops)
    boards = [Board(str(number), kib * KIB) for number, kib in enumerate(shares)]
    everything = frozenset(piece.name for piece in manifest.pieces)
    if any(memory_need(manifest, board, everything, 1) <= board.memory_limit for board in boards):
        return
    best = max(
        min(1 / _best_bottleneck(manifest, boards, window), window / sum(flops))
        for window in range(1, len(boards) + 2)
    )
    if not best:
        with pytest.raises(PlacementError):
            place(manifest, boards)
        return
    (lane,) = place(manifest, boards).lanes
    assert lane_rate(manifest, {b.name: b for b in boards}, lane) == pytest.approx(best)


def _best_bottleneck(manifest: Manifest, boards: list[Board], window: int) -> float:
    """The least time of the slowest board over all cuts; infinite where none fits."""
    count = len(manifest.pieces)
    inner = itertools.combinations_with_replacement(range(count + 1), len(boards) - 1)
    return min(_bottleneck(manifest, boards, window, (0, *cuts, count)) for cuts in inner)


def _bottleneck(
    manifest: Manifest, boards: list[Board], window: int, ends: tuple[int, ...]
) -> float:
    slowest = 0.0
    for board, start, end in zip(boards, ends, ends[1:], strict=False):
        run = manifest.pieces[start:end]
        names = frozenset(piece.name for piece in run)
        if run and memory_need(manifest, board, names, window) > board.memory_limit:
            return math.inf
        slowest = max(slowest, sum(piece.flops for piece in run))
    return slowest


def test_boards_that_hold_the_whole_bundle_share_the_slices() -> None:
    placement = place(chain_manifest([1, 1, 1]), [Board("a", 2**30), Board("b", 2**30)])
    assert [lane.members for lane in placement.lanes] == [("a",), ("b",)]


def test_boards_that_hold_half_of_it_are_chained() -> None:
    placement = place(chain_manifest([1] * 6), [Board("a", 250 * KIB), Board("b", 250 * KIB)])
    (lane,) = placement.lanes
    assert list(lane.boards.values()) == ["a"] * 3 + ["b"] * 3


def test_four_halves_are_two_lanes() -> None:
    boards = [Board(name, 200 * KIB) for name in "abcd"]
    placement = place(chain_manifest([1] * 4), boards)
    assert [set(lane.members) for lane in placement.lanes] == [{"a", "c"}, {"b", "d"}]


def test_a_board_too_small_for_anything_is_left_out_and_told_why() -> None:
    boards = [Board("a", 200 * KIB), Board("tiny", 10 * KIB), Board("b", 200 * KIB)]
    placement = place(chain_manifest([1] * 4), boards)
    assert placement.members == ("a", "b")
    assert "10.0 KiB" in placement.left_out["tiny"]


def test_a_board_that_brings_nothing_is_left_out_and_told_why() -> None:
    boards = [Board(name, 120 * KIB) for name in "abc"]
    placement = place(chain_manifest([1] * 2), boards)
    assert len(placement.members) == 2
    assert list(placement.left_out.values()) == ["it would bring no more slices a second"]


def test_the_window_keeps_every_core_busy_where_memory_allows() -> None:
    manifest = chain_manifest([1, 1], channels=400)
    everything = frozenset(piece.name for piece in manifest.pieces)
    (lane,) = place(manifest, [Board("a", 2**30, cores=3)]).lanes
    assert lane.window == 4
    tight = memory_need(manifest, Board("a", 0), everything, 2)
    (lane,) = place(manifest, [Board("a", tight, cores=3)]).lanes
    assert lane.window == 2


def test_what_fits_nowhere_is_said_in_numbers() -> None:
    manifest = chain_manifest([1, 1], [100 * KIB, 300 * KIB])
    with pytest.raises(PlacementError, match=r"needs 300 KiB .* piece 301 KiB; a has 200 KiB"):
        place(manifest, [Board("a", 200 * KIB), Board("b", 150 * KIB)])


def test_a_slice_takes_every_tensor_once() -> None:
    manifest = chain_manifest([1, 1, 1], channels=2)
    assert slice_bytes(manifest, frozenset({"piece_00"})) == 4 * 64 * (1 + 2)
    assert slice_bytes(manifest, frozenset({"piece_00", "piece_01"})) == 4 * 64 * (1 + 2 + 2)
    assert slice_bytes(manifest, frozenset()) == 0


@given(manifests(), st.integers(0, 10**6))
def test_loading_and_slices_share_their_room(manifest: Manifest, in_flight: int) -> None:
    """Never less than what stays and what comes on top, never more than all peaks together."""
    peaks = [piece.peak_memory_bytes for piece in manifest.pieces]
    resident = sum(piece.resident_memory_bytes for piece in manifest.pieces)
    need = pieces_and_slices(manifest.pieces, in_flight)
    assert max(*peaks, resident + in_flight) <= need <= sum(peaks) + in_flight
