"""Two ends that see the same slices hold the same planes, and send none twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg_runtime.messaging.recent_planes import RecentPlanes

_STACKS = st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), max_size=40)


@given(_STACKS)
def test_both_ends_hold_the_same_whatever_is_sent(stacks: list[list[int]]) -> None:
    sender, receiver = RecentPlanes[None](3), RecentPlanes[str](3)
    for stack in stacks:
        missing = sender.missing(stack)
        sender.use(stack, dict.fromkeys(missing))
        assert receiver.missing(stack) == missing
        planes = receiver.use(stack, {number: f"plane {number}" for number in missing})
        assert planes == [f"plane {number}" for number in stack]
        assert sender.missing(stack) == ()
        assert len(receiver) <= 3


def test_a_run_of_slices_sends_each_plane_once() -> None:
    held = RecentPlanes[None](3)
    sent: list[int] = []
    for index in range(20):
        stack = (max(index - 1, 0), index, min(index + 1, 19))
        missing = held.missing(stack)
        held.use(stack, dict.fromkeys(missing))
        sent += missing
    assert sent == list(range(20))


def test_what_was_not_sent_is_noticed() -> None:
    with pytest.raises(KeyError):
        RecentPlanes[str](3).use([1, 2, 3], {1: "a", 2: "b"})
