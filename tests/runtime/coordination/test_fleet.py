"""Which boards are there, which may come, and which stay out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg_runtime.coordination.fleet import MAX_LOSSES, BoardsLostError, Fleet

_NAMES = ("a", "b", "c")


def test_nobody_is_there_before_they_answer() -> None:
    fleet = Fleet.of(_NAMES)
    assert fleet.present == ()
    assert fleet.awaited == _NAMES
    assert fleet.expected == ()


def test_a_board_comes_and_goes_and_comes_back() -> None:
    fleet = Fleet.of(_NAMES).joined("b").lost("b", "no word")
    assert fleet.absent["b"] == "no word"
    assert fleet.expected == ("b",)
    assert fleet.joined("b").present == ("b",)


def test_a_board_lost_too_often_stays_out_until_the_next_run() -> None:
    fleet = Fleet.of(_NAMES)
    for _ in range(MAX_LOSSES):
        fleet = fleet.joined("a").lost("a", "no word")
    assert "a" not in fleet.awaited
    assert fleet.joined("a").present == ()
    assert fleet.renewed().joined("a").present == ("a",)


def test_a_board_that_can_not_do_its_part_is_asked_no_more() -> None:
    fleet = Fleet.of(_NAMES).joined("a").barred("a", "its disk is full")
    assert fleet.absent["a"] == "its disk is full"
    assert fleet.awaited == ("b", "c")


def test_a_busy_board_is_worth_waiting_for_and_one_that_never_answered_is_not() -> None:
    fleet = Fleet.of(_NAMES).unavailable("a", "busy", busy=True).unavailable("b", "no answer")
    assert fleet.expected == ("a",)
    assert fleet.joined("a").lost("a", "gone").expected == ("a",)


_EVENTS = st.lists(
    st.tuples(st.sampled_from(["joined", "lost", "unavailable", "barred"]), st.sampled_from(_NAMES))
)


@given(_EVENTS)
def test_a_board_is_there_or_absent_and_never_both(events: list[tuple[str, str]]) -> None:
    fleet = Fleet.of(_NAMES)
    for event, name in events:
        change = getattr(fleet, event)
        fleet = change(name) if event == "joined" else change(name, "why")
    assert sorted((*fleet.present, *fleet.absent)) == list(_NAMES)
    assert set(fleet.expected) <= set(fleet.awaited) <= set(fleet.absent)


def test_boards_that_are_needed_and_absent_are_named_with_their_reasons() -> None:
    fleet = Fleet.of(_NAMES).joined("a").unavailable("b", "busy").unavailable("c", "no answer")
    fleet.require(["a"])
    with pytest.raises(BoardsLostError, match=r"^b: busy; c: no answer$"):
        fleet.require(["c", "b", "a"][::-1])
