"""Which boards are there, which may come, and which stay out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg_runtime.coordination.fleet import (
    FIRST_REST_SECONDS,
    LOSS_WINDOW_SECONDS,
    MAX_FRUITLESS_LOSSES,
    MAX_LOSSES,
    BoardsLostError,
    Fleet,
)

_NAMES = ("a", "b", "c")


def test_nobody_is_there_before_they_answer() -> None:
    fleet = Fleet.of(_NAMES)
    assert fleet.present == ()
    assert fleet.awaited == _NAMES
    assert fleet.expected == ()


def test_a_board_comes_and_goes_and_comes_back() -> None:
    fleet = Fleet.of(_NAMES).joined("b").lost("b", "no word", 0.0)
    assert fleet.absent["b"] == "no word"
    assert fleet.expected == ("b",)
    assert fleet.joined("b").present == ("b",)


def lost_often(fleet: Fleet, board: str, times: int, apart: float, start: float = 0.0) -> Fleet:
    """Have a board lost so many times, each time it joins again, so many seconds apart."""
    for count in range(times):
        fleet = fleet.joined(board).lost(board, "no word", start + count * apart)
    return fleet


def test_a_board_lost_in_quick_succession_rests_and_may_come_back() -> None:
    fleet = lost_often(Fleet.of(_NAMES).joined("b"), "a", MAX_LOSSES, 1.0)
    ready = MAX_LOSSES - 1 + FIRST_REST_SECONDS
    assert "a" not in fleet.awaited
    assert "a" in fleet.expected
    assert "a" not in fleet.joined("a").present
    assert fleet.rested(ready - 0.1) is fleet
    assert "a" in fleet.rested(ready).joined("a").present


def test_a_second_rest_is_longer() -> None:
    fleet = lost_often(Fleet.of(_NAMES).joined("b"), "a", MAX_LOSSES, 1.0)
    fleet = lost_often(fleet.rested(100.0), "a", MAX_LOSSES, 1.0, start=100.0)
    end = 100.0 + MAX_LOSSES - 1
    assert "a" not in fleet.rested(end + 1.9 * FIRST_REST_SECONDS).awaited
    assert "a" in fleet.rested(end + 2 * FIRST_REST_SECONDS).awaited


def test_losses_far_apart_do_not_count() -> None:
    """A link that drops every 20 seconds loses slices, not the board."""
    fleet = Fleet.of(_NAMES).joined("b")
    for count in range(60):
        fleet = fleet.joined("a").lost("a", "no word", count * 20.0).progressed()
        assert "a" in fleet.awaited
    assert 20.0 * (MAX_LOSSES - 1) > LOSS_WINDOW_SECONDS


def test_the_last_board_never_rests() -> None:
    fleet = lost_often(Fleet.of(_NAMES), "a", MAX_FRUITLESS_LOSSES - 1, 0.1)
    assert fleet.joined("a").present == ("a",)


def test_a_board_lost_again_and_again_without_a_slice_stays_out_until_the_next_run() -> None:
    fleet = lost_often(Fleet.of(_NAMES), "a", MAX_FRUITLESS_LOSSES, 100.0)
    assert "a" not in fleet.awaited
    assert fleet.rested(1e9).joined("a").present == ()
    assert fleet.renewed().joined("a").present == ("a",)


def test_a_finished_slice_makes_up_for_losses() -> None:
    fleet = lost_often(Fleet.of(_NAMES), "a", MAX_FRUITLESS_LOSSES - 1, 100.0).progressed()
    fleet = lost_often(fleet, "a", MAX_FRUITLESS_LOSSES - 1, 100.0, start=1e4)
    assert fleet.joined("a").present == ("a",)


def test_a_board_that_can_not_do_its_part_is_asked_no_more() -> None:
    fleet = Fleet.of(_NAMES).joined("a").barred("a", "its disk is full")
    assert fleet.absent["a"] == "its disk is full"
    assert fleet.awaited == ("b", "c")


def test_a_busy_board_is_worth_waiting_for_and_one_that_never_answered_is_not() -> None:
    fleet = Fleet.of(_NAMES).unavailable("a", "busy", busy=True).unavailable("b", "no answer")
    assert fleet.expected == ("a",)
    assert fleet.joined("a").lost("a", "gone", 0.0).expected == ("a",)


_EVENTS = st.lists(
    st.tuples(st.sampled_from(["joined", "lost", "unavailable", "barred"]), st.sampled_from(_NAMES))
)


@given(_EVENTS)
def test_a_board_is_there_or_absent_and_never_both(events: list[tuple[str, str]]) -> None:
    fleet = Fleet.of(_NAMES)
    for event, name in events:
        change = getattr(fleet, event)
        if event == "joined":
            fleet = change(name)
        else:
            fleet = change(name, "why", 0.0) if event == "lost" else change(name, "why")
    assert sorted((*fleet.present, *fleet.absent)) == list(_NAMES)
    assert {*fleet.expected, *fleet.awaited} <= set(fleet.absent)


def test_boards_that_are_needed_and_absent_are_named_with_their_reasons() -> None:
    fleet = Fleet.of(_NAMES).joined("a").unavailable("b", "busy").unavailable("c", "no answer")
    fleet.require(["a"])
    with pytest.raises(BoardsLostError, match=r"^b: busy; c: no answer$"):
        fleet.require(["c", "b", "a"][::-1])
