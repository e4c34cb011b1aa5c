"""The ledger never lets more be held than was promised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.errors import BoardError
from edgeseg_runtime.board.memory.ledger import Ledger


@given(st.integers(0, 1000), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 400))))
def test_what_is_held_stays_within_the_limit(limit: int, steps: list[tuple[int, int]]) -> None:
    base = limit // 3
    ledger, entries = Ledger(limit, base), dict[str, int]()
    for name, count in ((str(name), count) for name, count in steps):
        if name in entries:
            continue
        if base + sum(entries.values()) + count <= limit:
            ledger.enter(name, count)
            entries[name] = count
        else:
            with pytest.raises(BoardError):
                ledger.enter(name, count)
        assert ledger.held == base + sum(entries.values()) <= limit
        assert ledger.free == limit - ledger.held


def test_a_refusal_says_the_numbers() -> None:
    ledger = Ledger(100 * 2**20, 60 * 2**20)
    with pytest.raises(BoardError, match=r"piece needs 50\.0 MiB, 40\.0 MiB of 100 MiB are free"):
        ledger.enter("piece", 50 * 2**20)


def test_a_limit_below_the_process_itself_is_refused() -> None:
    with pytest.raises(BoardError, match=r"10 B is less than the 20 B .* raise memory_limit"):
        Ledger(10, 20)


def test_a_name_is_entered_once() -> None:
    ledger = Ledger(10, 0)
    ledger.enter("a", 1)
    with pytest.raises(ValueError, match="a is entered already"):
        ledger.enter("a", 1)
    assert ledger.held == 1


@given(st.integers(0, 200), st.integers(-200, 200))
def test_what_was_measured_beyond_the_entries_is_entered_or_refused(held: int, excess: int) -> None:
    ledger = Ledger(300, 50)
    ledger.enter("pieces", held)
    if excess > 250 - held:
        with pytest.raises(BoardError, match="beyond"):
            ledger.correct("what is kept beyond", excess)
        assert ledger.held == 50 + held
    else:
        ledger.correct("what is kept beyond", excess)
        assert ledger.held == 50 + held + max(excess, 0)
    assert ledger.base == 50
