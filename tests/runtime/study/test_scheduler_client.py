"""Where a volume goes that boards have failed."""

from hypothesis import given
from hypothesis import strategies as st

from edgeseg_runtime.study.scheduler_client import workers_to_try


def test_it_goes_where_it_was_not_yet() -> None:
    assert workers_to_try(["a"], ["a", "b", "c"]) == ("b", "c")
    assert workers_to_try(["a", "c"], ["a", "b", "c"]) == ("b",)


def test_it_is_tried_twice_where_there_is_no_other() -> None:
    assert workers_to_try(["a"], ["a"]) == ("a",)
    assert workers_to_try(["a", "a"], ["a"]) == ()


@given(st.integers(1, 6))
def test_it_is_never_tried_for_ever(count: int) -> None:
    workers = [str(number) for number in range(count)]
    failed_at: list[str] = []
    while expected := workers_to_try(failed_at, workers):
        failed_at.append(expected[0])
    assert len(failed_at) == max(2, count)
