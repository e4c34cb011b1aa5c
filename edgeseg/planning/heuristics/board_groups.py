"""Groups of boards that form a lane together, and the division of all boards into such groups."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from edgeseg.planning.clock import NEVER, Deadline
from edgeseg.planning.outcome.objective import INFEASIBLE, costs
from edgeseg.planning.problem.arrays import Assignments, arrays_of
from edgeseg.planning.problem.problem import Problem

_MOST_GROUPS = 40
"""Groups up to which all are looked at; else those of one, of two, and of nearly all boards."""

_MERGES = 2
"""Rounds of merging the best lanes where not all groups are looked at."""

Counts: TypeAlias = tuple[int, ...]
"""A group: its number of boards of each kind."""

Solver: TypeAlias = Callable[[Problem], Assignments | None]
"""Returns an assignment of the pieces to the boards of one group, shape (P,), or None."""


@dataclass
class BoardGroups:
    """Groups of boards that may form a lane, with the best lane known for each.

    Boards of one kind are interchangeable, so a group is the number of its boards of each kind.

    Parameters
    ----------
    problem
        Pieces and boards.
    kinds
        Numbers of the boards of each kind.
    complete
        Whether every group is looked at as long as there is time.
    assignments
        For each group the place of each piece's board among the group's boards, shape (P,).
    rates
        Slices a second of these lanes.
    """

    problem: Problem
    kinds: list[list[int]]
    complete: bool
    assignments: dict[Counts, Assignments]
    rates: dict[Counts, float]

    @property
    def full(self) -> Counts:
        """The group of all boards."""
        return tuple(len(kind) for kind in self.kinds)

    @property
    def best(self) -> tuple[Counts, ...]:
        """The groups of the best division known."""
        return best_division(self.full, self.rates)

    @property
    def rate(self) -> float:
        """Slices a second of all lanes of the best division."""
        return sum(self.rates[counts] for counts in self.best)

    def lanes(self) -> list[Assignments]:
        """Return the board numbers of the pieces for each lane of the best division, (P,) each."""
        used = (0,) * len(self.kinds)
        lanes = []
        for counts in self.best:
            members = np.array(_members(self.kinds, counts, used), np.int64)
            lanes.append(members[self.assignments[counts]])
            used = _plus(used, counts)
        return lanes

    def solve(self, counts: Counts, solver: Solver) -> None:
        """Find a lane for a group that has none yet and enough memory."""
        if counts in self.assignments:
            return
        members = self.part(counts)
        assignment = solver(members) if has_memory(members) else None
        if assignment is not None:
            self.enter(counts, assignment)

    def enter(self, counts: Counts, assignment: Assignments) -> None:
        """Keep a lane of a group, shape (P,), if it is better than the one known."""
        rate = 1 / float(costs(self.part(counts), assignment[None], "throughput")[0])
        if rate > self.rates.get(counts, 1 / INFEASIBLE):
            self.assignments[counts], self.rates[counts] = assignment, rate

    def part(self, counts: Counts) -> Problem:
        """Return the problem for the boards of one group."""
        return self.problem.only(_members(self.kinds, counts, (0,) * len(counts)))


def group_boards(problem: Problem, solver: Solver, deadline: Deadline = NEVER) -> BoardGroups:
    """Solve the problem for the groups of boards that could hold all pieces.

    Parameters
    ----------
    problem
        Pieces and boards.
    solver
        Finds an assignment for one group.
    deadline
        When to stop. If no group has a lane by then, that of all boards is still solved.
    """
    kinds = problem.kinds()
    full = tuple(len(kind) for kind in kinds)
    groups = BoardGroups(problem, kinds, _few(full), {}, {})
    for counts in _considered(groups):
        if deadline.passed:
            if not groups.rates:
                groups.solve(groups.full, solver)
            break
        groups.solve(counts, solver)
    return groups


def _considered(groups: BoardGroups) -> Iterator[Counts]:
    """Yield the groups to solve; where not all are, also those that merge two of the best lanes."""
    yield from candidate_groups(groups.full)
    for _ in range(0 if groups.complete else _MERGES):
        for first, second in itertools.combinations(groups.best, 2):
            yield _plus(first, second)


def candidate_groups(full: Counts) -> list[Counts]:
    """Return the groups to look at, small ones first, given how many boards there are."""
    everything = itertools.product(*(range(count + 1) for count in full))
    if _few(full):
        return sorted((counts for counts in everything if any(counts)), key=sum)
    units = [tuple(int(k == kind) for k in range(len(full))) for kind in range(len(full))]
    small = [*units, *(_plus(a, b) for a, b in itertools.combinations_with_replacement(units, 2))]
    large = [full, *(_minus(full, unit) for unit in units)]
    fitting = (counts for counts in (*small, *large) if _within(counts, full) and any(counts))
    return sorted(dict.fromkeys(fitting), key=sum)


def _few(full: Counts) -> bool:
    """Return whether there are so few groups that all are looked at."""
    return bool(np.prod([count + 1.0 for count in full]) <= _MOST_GROUPS)


def has_memory(problem: Problem) -> bool:
    """Return whether the boards together could hold all pieces and one slice."""
    t = arrays_of(problem)
    return bool((t.limit - t.base).clip(0).sum() >= t.least_bytes)


def best_division(full: Counts, rates: Mapping[Counts, float]) -> tuple[Counts, ...]:
    """Return the groups whose rates add up to the most, using no more boards than there are.

    Parameters
    ----------
    full
        How many boards there are of each kind.
    rates
        Slices a second by group.
    """
    best: dict[Counts, tuple[float, tuple[Counts, ...]]] = {(0,) * len(full): (0.0, ())}
    open_states = list(best)
    while open_states:
        state = open_states.pop()
        rate, groups = best[state]
        for counts, added in rates.items():
            after = _plus(state, counts)
            if _within(after, full) and rate + added > best.get(after, (0.0, ()))[0] * (1 + 1e-9):
                best[after] = (rate + added, (*groups, counts))
                open_states.append(after)
    return max(best.values(), key=lambda entry: entry[0])[1]


def _members(kinds: list[list[int]], counts: Counts, used: Counts) -> tuple[int, ...]:
    """Return the numbers of the next boards of each kind, after those in use."""
    by_kind = zip(kinds, counts, used, strict=True)
    return tuple(sorted(b for kind, count, skip in by_kind for b in kind[skip : skip + count]))


def _plus(first: Counts, second: Counts) -> Counts:
    return tuple(a + b for a, b in zip(first, second, strict=True))


def _minus(first: Counts, second: Counts) -> Counts:
    return tuple(a - b for a, b in zip(first, second, strict=True))


def _within(counts: Counts, full: Counts) -> bool:
    return all(0 <= count <= limit for count, limit in zip(counts, full, strict=True))
