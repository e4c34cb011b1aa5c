"""Interpreters are lent to one borrower at a time, and released when their memory is needed."""

import weakref
from typing import Any

from numpy.typing import NDArray

from edgeseg_runtime.board.pieces.interpreter_pool import InterpreterPool, InterpreterSet


class _Runner:
    """A loaded piece that is never run."""

    seconds = 0.0

    def run(self, arrays: object) -> list[NDArray[Any]]:
        raise NotImplementedError

    def run_on_zeros(self) -> None:
        raise NotImplementedError


def _pool() -> InterpreterPool:
    pool = InterpreterPool()
    pool.add({"a": [[_Runner()], [_Runner()]], "b": [[_Runner()]]})
    return pool


def test_sets_are_lent_and_given_back() -> None:
    pool = _pool()
    assert pool.idle == {"a", "b"}
    first, second = pool.borrow("a"), pool.borrow("a")
    assert first is not second
    assert pool.idle == {"b"}
    assert pool.lent == 2
    pool.give_back("a", first)
    assert pool.idle == {"a", "b"}
    assert pool.lent == 1
    assert pool.borrow("a") is first


def test_cleared_sets_are_empty_whoever_knows_them() -> None:
    pool = InterpreterPool()
    interpreters: InterpreterSet = [_Runner()]
    released = weakref.ref(interpreters[0])
    pool.add({"a": [interpreters]})
    pool.clear()
    assert pool.idle == frozenset()
    assert interpreters == []
    assert released() is None


def test_a_step_that_is_loaded_again_replaces_the_former() -> None:
    pool = _pool()
    again: InterpreterSet = [_Runner()]
    pool.add({"b": [again]})
    assert pool.borrow("b") is again
    assert "b" not in pool.idle
