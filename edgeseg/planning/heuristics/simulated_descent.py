"""Lanes made better by following slices through their neighbours: what no formula knows of."""

import itertools
import time
from collections.abc import Sequence

import numpy as np

from edgeseg.planning.heuristics.baselines import evaluate_placement
from edgeseg.planning.heuristics.local_search import neighbours, random_chains
from edgeseg.planning.outcome.objective import costs
from edgeseg.planning.outcome.simulation import steady_rate
from edgeseg.planning.problem.arrays import Assignments
from edgeseg.planning.problem.problem import Problem

_LOOKS = 60
"""Neighbours through which slices are followed before a lane is left as it is."""

_STARTS = 64
"""Lanes through which slices are followed before the best of them is changed move by move."""

_FEW = 4096
"""So many ways to place the pieces are all looked at."""

_WORTHWHILE = 1 + 1e-3
"""What a neighbour must bring at least."""


def simulated_descent(
    problem: Problem, lanes: Sequence[Assignments], deadline: float
) -> list[Assignments]:
    """Change lanes one move at a time as long as slices come out of them more often.

    Where another is better from the start, that is changed instead: of all lanes over the same
    boards where they are few, else of simple chains. Moves that promise most are tried first, and
    only such as promise more than what a lane is known to reach. Lanes over boards that are alike
    are changed alike.

    Parameters
    ----------
    problem
        P pieces and B boards.
    lanes
        Board numbers, each of shape (P,); no board is in two.
    deadline
        When to stop, as ``time.monotonic`` counts.
    """
    known: dict[object, Assignments] = {}
    settled = []
    for lane in lanes:
        members, row = np.unique(lane, return_inverse=True)
        key = (tuple(problem.kind(board) for board in members.tolist()), tuple(row.tolist()))
        if key not in known:
            known[key] = _settled(problem.only(members.tolist()), row, deadline)
        settled.append(members[known[key]])
    return settled


def _settled(problem: Problem, row: Assignments, deadline: float) -> Assignments:
    row, rate = _best_start(problem, row, deadline)
    best: Assignments | None = row
    while best is not None:
        row = best
        near = neighbours(problem, row)
        promised = costs(problem, near, "throughput") if len(near) else np.zeros(0)
        hopeful = np.flatnonzero(promised * rate * _WORTHWHILE < 1)
        best = None
        for number in hopeful[promised[hopeful].argsort(kind="stable")][:_LOOKS]:
            if time.monotonic() > deadline:
                return row
            reached = _rate(problem, near[number])
            if reached > rate * _WORTHWHILE:
                best, rate = near[number], reached
                break
    return row


def _best_start(problem: Problem, row: Assignments, deadline: float) -> tuple[Assignments, float]:
    """Return the lane or another over the same boards, and its rate: what does best."""
    rate = _rate(problem, row)
    others = _others(problem)
    promised = costs(problem, others, "throughput")
    for number in promised.argsort(kind="stable")[:_STARTS]:
        if time.monotonic() > deadline or promised[number] * rate * _WORTHWHILE >= 1:
            break
        reached = _rate(problem, others[number])
        if reached > rate * _WORTHWHILE:
            row, rate = others[number], reached
    return row, rate


def _others(problem: Problem) -> Assignments:
    """Return lanes to compare with, shape (N, P)."""
    boards, pieces = len(problem.boards), len(problem.pieces)
    if boards**pieces > _FEW:
        return random_chains(problem)
    return np.array(list(itertools.product(range(boards), repeat=pieces)), np.int64)


def _rate(problem: Problem, row: Assignments) -> float:
    """Return the slices a second that come out of a lane, 0 if it does not fit."""
    found = evaluate_placement(problem, "", [row], "throughput")
    return 0.0 if found is None else steady_rate(problem, found.lanes[0])
