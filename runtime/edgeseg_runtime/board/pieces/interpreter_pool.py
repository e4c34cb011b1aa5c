"""Loaded interpreters, lent to one thread at a time."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from edgeseg.inference.banded import Runner

InterpreterSet: TypeAlias = list[Runner]
"""A runner for each piece of a step, in their order; empty once its memory was released."""

InterpreterSets: TypeAlias = Mapping[str, Sequence[InterpreterSet]]
"""The interpreter sets of each step, by the step's name."""


class InterpreterPool:
    """Interpreter sets by step; each is in the pool or lent to one borrower."""

    def __init__(self) -> None:
        self._free: dict[str, list[InterpreterSet]] = {}
        self.lent = 0
        """How many sets are lent."""

    @property
    def idle(self) -> frozenset[str]:
        """Names of the steps of which a set is free."""
        return frozenset(name for name, free in self._free.items() if free)

    def add(self, loaded: InterpreterSets) -> None:
        """Add sets; steps of the same name are replaced."""
        self._free |= {step: list(interpreter_sets) for step, interpreter_sets in loaded.items()}

    def borrow(self, step: str) -> InterpreterSet:
        """Take a free set of a step that is idle."""
        interpreters = self._free[step].pop()
        self.lent += 1
        return interpreters

    def give_back(self, step: str, interpreters: InterpreterSet) -> None:
        """Return a borrowed set."""
        self.lent -= 1
        self._free[step].append(interpreters)

    def clear(self) -> None:
        """Empty the free sets and forget them.

        They are emptied, since somebody else may still refer to one: its memory is needed now.
        """
        for free in self._free.values():
            for interpreters in free:
                interpreters.clear()
        self._free.clear()
