"""Which boards form a lane together: whole slices on one board, pipelines of several, or both."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edgeseg.planning.objective import LACKING, costs
from edgeseg.planning.problem import Problem
from edgeseg.planning.scores import Assignments, tables_of

_MOST_GROUPS = 40
"""Kinds of groups to look at; with more, those of one, of two, and of nearly all boards."""

Group = tuple[int, ...]
"""Numbers of boards."""

Solver = Callable[[Problem], Assignments | None]
"""Finds an assignment for the boards of one group."""

_Counts = tuple[int, ...]


@dataclass(frozen=True)
class GroupLane:
    """An assignment of all pieces to the boards of one group.

    Parameters
    ----------
    group
        Numbers of its boards.
    assignment
        For each piece, the place of its board in the group, shape (P,).
    period
        Seconds between two slices.
    """

    group: Group
    assignment: Assignments
    period: float

    @property
    def boards(self) -> Assignments:
        """Board numbers of the pieces, shape (P,)."""
        return np.array(self.group, np.int64)[self.assignment]


def best_groups(problem: Problem, solve: Solver) -> tuple[GroupLane, ...]:
    """Divide boards into groups, each a lane, such that their rates add up to the most.

    Boards that are alike are told apart by nothing, so a group is how many there are of each
    kind; each such group is solved once.

    Parameters
    ----------
    problem
        Pieces and boards.
    solve
        Finds an assignment for a group.
    """
    kinds = _kinds(problem)
    full = tuple(len(kind) for kind in kinds)
    solved: dict[_Counts, tuple[Assignments, float]] = {}
    for counts in _candidates(full):
        part = problem.only(_members(kinds, counts, (0,) * len(full)))
        assignment = solve(part) if _has_room(part) else None
        if assignment is not None:
            period = float(costs(part, assignment[None], "throughput")[0])
            if period < LACKING:
                solved[counts] = (assignment, period)
    taken = (0,) * len(full)
    lanes = []
    for counts in _division(full, {counts: 1 / period for counts, (_, period) in solved.items()}):
        lanes.append(GroupLane(_members(kinds, counts, taken), *solved[counts]))
        taken = _plus(taken, counts)
    return tuple(lanes)


def _kinds(problem: Problem) -> list[list[int]]:
    kinds: dict[object, list[int]] = {}
    for board in range(len(problem.boards)):
        kinds.setdefault(problem.kind(board), []).append(board)
    return list(kinds.values())


def _candidates(full: _Counts) -> list[_Counts]:
    """List how many boards of each kind a group may have, small groups first."""
    everything = itertools.product(*(range(count + 1) for count in full))
    size = sum(full)
    if np.prod([count + 1.0 for count in full]) <= _MOST_GROUPS:
        return sorted((counts for counts in everything if any(counts)), key=sum)
    units = [tuple(int(k == kind) for k in range(len(full))) for kind in range(len(full))]
    small = [*units, *(_plus(a, b) for a, b in itertools.combinations_with_replacement(units, 2))]
    large = [full, *(_minus(full, counts) for counts in small)]
    fitting = (counts for counts in (*small, *large) if _within(counts, full) and any(counts))
    return sorted(dict.fromkeys(fitting), key=lambda counts: min(sum(counts), size))


def _has_room(problem: Problem) -> bool:
    """Tell whether the boards together could hold all pieces and one slice."""
    t = tables_of(problem)
    return bool((t.limit - t.base).clip(0).sum() >= t.resident.sum() + t.held.sum())


def _division(full: _Counts, rates: Mapping[_Counts, float]) -> tuple[_Counts, ...]:
    """Return the groups whose rates add up to the most, of boards no more than there are."""
    best: dict[_Counts, tuple[float, tuple[_Counts, ...]]] = {(0,) * len(full): (0.0, ())}
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


def _members(kinds: list[list[int]], counts: _Counts, taken: _Counts) -> Group:
    """Return the next boards of each kind."""
    chosen = zip(kinds, counts, taken, strict=True)
    return tuple(sorted(b for kind, count, gone in chosen for b in kind[gone : gone + count]))


def _plus(one: _Counts, other: _Counts) -> _Counts:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _minus(one: _Counts, other: _Counts) -> _Counts:
    return tuple(a - b for a, b in zip(one, other, strict=True))


def _within(counts: _Counts, full: _Counts) -> bool:
    return all(0 <= count <= most for count, most in zip(counts, full, strict=True))
