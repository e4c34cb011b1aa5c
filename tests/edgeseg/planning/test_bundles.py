"""Plans for bundles: every piece placed once a lane, within the memory that workers count."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import memory_need
from manifests import KIB, chain_manifest, manifests

from edgeseg.boards.boards_file import Board
from edgeseg.boards.link import LOOPBACK
from edgeseg.boards.placement import Lane, Placement
from edgeseg.bundle.manifest import Manifest
from edgeseg.errors import PlacementError
from edgeseg.planning.planner import plan
from edgeseg.planning.problem.from_pieces import problem_of

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
    max_size=4,
    unique_by=lambda board: board.name,
)


def _place(manifest: Manifest, boards: list[Board]) -> Placement:
    links = {board.name: LOOPBACK for board in boards}
    problem = problem_of(manifest.pieces, boards, links=links, coordinator=LOOPBACK)
    return plan(problem, time_limit=0.2).placement


def _here(lane: Lane, board: str) -> frozenset[str]:
    return frozenset(piece for piece, name in lane.boards.items() if name == board)


@settings(max_examples=25, deadline=None)
@given(manifests(), BOARDS)
def test_a_placement_is_complete_and_within_memory(manifest: Manifest, boards: list[Board]) -> None:
    """Every piece once a lane, each board in one lane, the window counted in bytes."""
    try:
        placement = _place(manifest, boards)
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


def test_boards_that_hold_the_whole_bundle_share_the_slices() -> None:
    boards = [Board("a", 2**30), Board("b", 2**30)]
    placement = _place(chain_manifest([10**9] * 3), boards)
    assert [lane.members for lane in placement.lanes] == [("a",), ("b",)]


def test_boards_that_hold_half_of_it_are_chained() -> None:
    boards = [Board("a", 250 * KIB), Board("b", 250 * KIB)]
    (lane,) = _place(chain_manifest([10**9] * 6), boards).lanes
    assert list(lane.boards.values()) == ["a"] * 3 + ["b"] * 3


def test_four_halves_are_two_lanes() -> None:
    boards = [Board(name, 200 * KIB) for name in "abcd"]
    uneven = [3 * 10**9, 10**9, 10**9, 3 * 10**9]  # over four boards, two would be idle
    placement = _place(chain_manifest(uneven), boards)
    assert [len(lane.members) for lane in placement.lanes] == [2, 2]
    assert set(placement.members) == set("abcd")


def test_a_board_too_small_for_anything_is_left_out_and_told_why() -> None:
    boards = [Board("a", 200 * KIB), Board("tiny", 10 * KIB), Board("b", 200 * KIB)]
    placement = _place(chain_manifest([10**9] * 4), boards)
    assert set(placement.members) == {"a", "b"}
    assert "10.0 KiB" in placement.left_out["tiny"]


def test_a_board_that_brings_nothing_is_left_out_and_told_why() -> None:
    boards = [Board(name, 120 * KIB) for name in "abc"]
    placement = _place(chain_manifest([10**9] * 2), boards)
    assert len(placement.members) == 2
    assert list(placement.left_out.values()) == ["it would bring no more slices a second"]


def test_the_window_keeps_every_core_busy_where_memory_allows() -> None:
    manifest = chain_manifest([10**9, 10**9], channels=400)
    everything = frozenset(piece.name for piece in manifest.pieces)
    (lane,) = _place(manifest, [Board("a", 2**30, cores=3)]).lanes
    assert lane.window >= 4
    tight = memory_need(manifest, Board("a", 0, cores=3), everything, 2)
    (lane,) = _place(manifest, [Board("a", tight, cores=3)]).lanes
    assert lane.window == 2


def test_a_piece_that_fits_nowhere_is_said_in_numbers() -> None:
    manifest = chain_manifest([1, 1], [100 * KIB, 300 * KIB])
    with pytest.raises(PlacementError, match=r"piece_01 needs 301 KiB on a, which has 200 KiB"):
        _place(manifest, [Board("a", 200 * KIB), Board("b", 150 * KIB)])
