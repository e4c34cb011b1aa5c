"""Which boards form a lane together: whole slices on one board, pipelines of several, or both."""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgeseg.planning.outcome.objective import INFEASIBLE, costs
from edgeseg.planning.problem.arrays import Assignments, arrays_of
from edgeseg.planning.problem.problem import Problem

_MOST_GROUPS = 40
"""Kinds of groups to look at; with more, those of one, of two, and of nearly all boards."""

_MERGES = 2
"""Rounds in which lanes are tried to be merged where not all groups are looked at."""

Counts = tuple[int, ...]
"""How many boards of each kind."""

Solver = Callable[[Problem], Assignments | None]
"""Finds an assignment for the boards of one group."""


@dataclass
class BoardGroups:
    """Groups of boards that may form a lane, and what is known of each.

    Boards that are alike are told apart by nothing, so a group is how many there are of each
    kind.

    Parameters
    ----------
    problem
        Pieces and boards.
    kinds
        Numbers of the boards that are alike.
    complete
        Whether every group is looked at as long as there is time.
    assignments
        For each group, the place of each piece's board among its boards, shape (P,).
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
        """How many boards there are of each kind."""
        return tuple(len(kind) for kind in self.kinds)

    @property
    def best(self) -> tuple[Counts, ...]:
        """The groups that the boards are best divided into, as far as is known."""
        return best_division(self.full, self.rates)

    @property
    def rate(self) -> float:
        """Slices a second of all their lanes together."""
        return sum(self.rates[counts] for counts in self.best)

    def lanes(self) -> list[Assignments]:
        """Divide boards into groups, each a lane, such that their rates add up to the most.

        Returns
        -------
        list of array
            For each lane, the board numbers of the pieces, shape (P,).
        """
        taken = (0,) * len(self.kinds)
        lanes = []
        for counts in self.best:
            members = np.array(_members(self.kinds, counts, taken), np.int64)
            lanes.append(members[self.assignments[counts]])
            taken = _plus(taken, counts)
        return lanes

    def solve(self, counts: Counts, solver: Solver) -> None:
        """Find a lane for a group that has none yet, if there could be one."""
        part = self.part(counts)
        known = counts in self.assignments or not has_room(part)
        assignment = None if known else solver(part)
        if assignment is not None:
            self.enter(counts, assignment)

    def enter(self, counts: Counts, assignment: Assignments) -> None:
        """Take in a lane over the boards of a group if it is better than the one known."""
        rate = 1 / float(costs(self.part(counts), assignment[None], "throughput")[0])
        if rate > self.rates.get(counts, 1 / INFEASIBLE):
            self.assignments[counts], self.rates[counts] = assignment, rate

    def part(self, counts: Counts) -> Problem:
        """Return the problem of one group."""
        return self.problem.only(_members(self.kinds, counts, (0,) * len(counts)))


def group_boards(problem: Problem, solve: Solver, deadline: float = math.inf) -> BoardGroups:
    """Solve the problem for every group of boards that could hold all pieces.

    Parameters
    ----------
    problem
        Pieces and boards.
    solve
        Finds an assignment for a group.
    deadline
        When to look at no more groups, as ``time.monotonic`` counts, once one has a lane.
    """
    kinds = problem.kinds()
    full = tuple(len(kind) for kind in kinds)
    groups = BoardGroups(problem, kinds, _few(full), {}, {})
    for counts in _asked(groups):
        if groups.rates and time.monotonic() > deadline:
            break
        groups.solve(counts, solve)
    return groups


def _asked(groups: BoardGroups) -> Iterator[Counts]:
    """Yield the groups to look at; where not all are, also those that merge the best lanes."""
    yield from candidate_groups(groups.full)
    for _ in range(0 if groups.complete else _MERGES):
        for one, other in itertools.combinations(groups.best, 2):
            yield _plus(one, other)


def candidate_groups(full: Counts) -> list[Counts]:
    """List how many boards of each kind a group may have, small groups first."""
    everything = itertools.product(*(range(count + 1) for count in full))
    if _few(full):
        return sorted((counts for counts in everything if any(counts)), key=sum)
    units = [tuple(int(k == kind) for k in range(len(full))) for kind in range(len(full))]
    small = [*units, *(_plus(a, b) for a, b in itertools.combinations_with_replacement(units, 2))]
    large = [full, *(_minus(full, unit) for unit in units)]
    fitting = (counts for counts in (*small, *large) if _within(counts, full) and any(counts))
    return sorted(dict.fromkeys(fitting), key=sum)


def _few(full: Counts) -> bool:
    """Tell whether there are so few kinds of groups that all are looked at."""
    return bool(np.prod([count + 1.0 for count in full]) <= _MOST_GROUPS)


def has_room(problem: Problem) -> bool:
    """Tell whether the boards together could hold all pieces and one slice."""
    t = arrays_of(problem)
    return bool((t.limit - t.base).clip(0).sum() >= t.least_bytes)


def best_division(full: Counts, rates: Mapping[Counts, float]) -> tuple[Counts, ...]:
    """Return the groups whose rates add up to the most, of boards no more than there are."""
    best: dict[Counts, tuple[float, tuple[Counts, ...]]] = {(0,) * len(full): (0.0, ())}
    open_states = list(best)
    while open_states:
        state = open_states.pop()
        rate, groups = best[state]
        for counts, more in rates.items():
            after = _plus(state, counts)
            if _within(after, full) and rate + more > best.get(after, (0.0, ()))[0] * (1 + 1e-9):
                best[after] = (rate + more, (*groups, counts))
                open_states.append(after)
    return max(best.values(), key=lambda entry: entry[0])[1]


def _members(kinds: list[list[int]], counts: Counts, taken: Counts) -> tuple[int, ...]:
    """Return the next boards of each kind."""
    chosen = zip(kinds, counts, taken, strict=True)
    return tuple(sorted(b for kind, count, gone in chosen for b in kind[gone : gone + count]))


def _plus(one: Counts, other: Counts) -> Counts:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _minus(one: Counts, other: Counts) -> Counts:
    return tuple(a - b for a, b in zip(one, other, strict=True))


def _within(counts: Counts, full: Counts) -> bool:
    return all(0 <= count <= most for count, most in zip(counts, full, strict=True))
