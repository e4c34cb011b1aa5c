"""Placing over who is there, and how slow boards are told from others."""

import pytest
from manifests import chain_manifest

from edgeseg.boards.boards_file import Board, BoardEntry, LinkEntry
from edgeseg.errors import PlacementError
from edgeseg_runtime.coordination.placing import Placer, measured_paces, slow_boards, worthwhile
from edgeseg_runtime.messaging.wire import PieceTime, Pong

_MIB = 2**20
_BOARDS = [Board(name, 100 * _MIB) for name in "abc"]
_PLACER = Placer(
    chain_manifest([10**7] * 4),
    [BoardEntry(board.name, "127.0.0.1:1") for board in _BOARDS],
    LinkEntry(),
    "throughput",
)


def test_more_boards_are_better_by_far() -> None:
    two, three = (_PLACER.plan(_PLACER.problem(_BOARDS[:n], {}), 0.1) for n in (2, 3))
    assert worthwhile(three, two)
    assert not worthwhile(two, two)
    assert not worthwhile(two, three)


def test_no_board_is_no_placement() -> None:
    with pytest.raises(PlacementError, match="no board is there"):
        _PLACER.plan(_PLACER.problem([], {}), 0.1)


def _pong(runs: int, each: float) -> Pong:
    names = [piece.name for piece in _PLACER.manifest.pieces]
    return Pong(0, 0, 0, {name: PieceTime(runs, runs * each, runs * each) for name in names})


def test_a_pace_is_measured_against_what_was_stated() -> None:
    problem = _PLACER.problem(_BOARDS, {})
    stated = problem.pieces[0].seconds[0]
    pongs = {"a": _pong(5, stated), "b": _pong(5, 10 * stated), "c": _pong(1, 99 * stated)}
    paces = measured_paces(problem, pongs)
    assert paces == pytest.approx({"a": 1.0, "b": 10.0})
    repaced = _PLACER.problem(_BOARDS, paces)
    assert repaced.pieces[0].seconds == pytest.approx((stated, 10 * stated, stated))
    assert measured_paces(repaced, pongs) == pytest.approx({"a": 1.0, "b": 1.0})


@pytest.mark.parametrize(
    ("paces", "slower"),
    [
        ({}, {}),
        ({"a": 50.0}, {}),
        ({"a": 7.0, "b": 7.0}, {}),
        ({"a": 1.0, "b": 3.0}, {}),
        ({"a": 1.0, "b": 10.0}, {"b": 10.0}),
        ({"a": 2.0, "b": 2.0, "c": 20.0}, {"c": 10.0}),
    ],
)
def test_slow_is_slow_beside_others(paces: dict[str, float], slower: dict[str, float]) -> None:
    """Estimates may be wrong for all; only a board that stands out is slow."""
    assert slow_boards(paces) == pytest.approx(slower)
