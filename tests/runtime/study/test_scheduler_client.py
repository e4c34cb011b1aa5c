"""Where a volume goes that boards have failed."""

from hypothesis import given
from hypothesis import strategies as st

from edgeseg_runtime.study.scheduler_client import where_next


def test_it_goes_where_it_was_not_yet() -> None:
    assert where_next(["a"], ["a", "b", "c"]) == ("b", "c")
    assert where_next(["a", "c"], ["a", "b", "c"]) == ("b",)


def test_it_is_tried_twice_where_there_is_no_other() -> None:
    assert where_next(["a"], ["a"]) == ("a",)
    assert where_next(["a", "a"], ["a"]) == ()


@given(st.integers(1, 6))
def test_it_is_never_tried_for_ever(count: int) -> None:
    workers = [str(number) for number in range(count)]
    failed_at: list[str] = []
    while chosen := where_next(failed_at, workers):
        failed_at.append(chosen[0])
    assert len(failed_at) == max(2, count)
