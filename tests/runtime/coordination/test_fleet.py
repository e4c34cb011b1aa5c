"""Which boards are there, which may come, and which stay out."""

from hypothesis import given
from hypothesis import strategies as st

from edgeseg_runtime.coordination.fleet import MOST_LOSSES, Fleet

_NAMES = ("a", "b", "c")


def test_nobody_is_there_before_they_answer() -> None:
    fleet = Fleet.of(_NAMES)
    assert fleet.present == ()
    assert fleet.awaited == _NAMES
    assert fleet.expected == ()


def test_a_board_comes_and_goes_and_comes_back() -> None:
    fleet = Fleet.of(_NAMES).came("b").lost("b", "no word")
    assert fleet.absent["b"] == "no word"
    assert fleet.expected == ("b",)
    assert fleet.came("b").present == ("b",)


def test_a_board_lost_too_often_stays_out_until_the_next_run() -> None:
    fleet = Fleet.of(_NAMES)
    for _ in range(MOST_LOSSES):
        fleet = fleet.came("a").lost("a", "no word")
    assert "a" not in fleet.awaited
    assert fleet.came("a").present == ()
    assert fleet.renewed().came("a").present == ("a",)


def test_a_board_that_can_not_do_its_part_is_asked_no_more() -> None:
    fleet = Fleet.of(_NAMES).came("a").barred("a", "its disk is full")
    assert fleet.absent["a"] == "its disk is full"
    assert fleet.awaited == ("b", "c")


def test_a_busy_board_is_worth_waiting_for_and_one_that_never_answered_is_not() -> None:
    fleet = Fleet.of(_NAMES).missed("a", "busy", busy=True).missed("b", "no answer")
    assert fleet.expected == ("a",)
    assert fleet.came("a").lost("a", "gone").expected == ("a",)


_EVENTS = st.lists(
    st.tuples(st.sampled_from(["came", "lost", "missed", "barred"]), st.sampled_from(_NAMES))
)


@given(_EVENTS)
def test_a_board_is_there_or_absent_and_never_both(events: list[tuple[str, str]]) -> None:
    fleet = Fleet.of(_NAMES)
    for event, name in events:
        change = getattr(fleet, event)
        fleet = change(name) if event == "came" else change(name, "why")
    assert sorted((*fleet.present, *fleet.absent)) == list(_NAMES)
    assert set(fleet.expected) <= set(fleet.awaited) <= set(fleet.absent)
