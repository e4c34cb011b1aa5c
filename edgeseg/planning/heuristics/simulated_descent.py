"""Local search on simulated rates: it sees the waiting that no formula of the load predicts."""

import itertools
from collections.abc import Sequence

import numpy as np

from edgeseg.planning.clock import Deadline
from edgeseg.planning.heuristics.baselines import evaluate_placement
from edgeseg.planning.heuristics.local_search import neighbours, random_chains
from edgeseg.planning.outcome.objective import costs
from edgeseg.planning.outcome.simulation import steady_rate
from edgeseg.planning.problem.arrays import Assignments
from edgeseg.planning.problem.problem import Problem

_SIMULATED_NEIGHBOURS = 60
"""Neighbours that are simulated before a lane is left as it is."""

_SIMULATED_STARTS = 64
"""Other lanes that are simulated before the best of them is improved move by move."""

_FEW = 4096
"""Assignments up to which all are considered as starts."""

_WORTHWHILE = 1 + 1e-3
"""Factor by which a neighbour must be better."""


def simulated_descent(
    problem: Problem, lanes: Sequence[Assignments], deadline: Deadline
) -> list[Assignments]:
    """Improve the simulated rates of lanes, one move at a time.

    The start is the lane, or one with a better rate over the same boards: among all lanes where
    they are few, else among simple chains. Neighbours are simulated in the order of their
    predicted rates, and only while these are above the rate that is reached. Lanes over boards of
    the same kinds are changed alike.

    Parameters
    ----------
    problem
        P pieces and B boards.
    lanes
        Board numbers, each of shape (P,); no board is in two.
    deadline
        When to stop.

    Returns
    -------
    list of array
        The lanes in their order, each of shape (P,), none of a lower simulated rate.
    """
    by_members: dict[object, Assignments] = {}
    improved = []
    for lane in lanes:
        members, row = np.unique(lane, return_inverse=True)
        key = (tuple(problem.kind(board) for board in members.tolist()), tuple(row.tolist()))
        if key not in by_members:
            by_members[key] = _descend(problem.only(members.tolist()), row, deadline)
        improved.append(members[by_members[key]])
    return improved


def _descend(problem: Problem, row: Assignments, deadline: Deadline) -> Assignments:
    if deadline.passed:
        return row
    row, rate = _best_start(problem, row, deadline)
    improved: Assignments | None = row
    while improved is not None and not deadline.passed:
        row = improved
        near = neighbours(problem, row)
        predicted = costs(problem, near, "throughput") if len(near) else np.zeros(0)
        promising = np.flatnonzero(predicted * rate * _WORTHWHILE < 1)
        order = predicted[promising].argsort(kind="stable")[:_SIMULATED_NEIGHBOURS]
        improved = None
        for number in promising[order]:
            if deadline.passed:
                return row
            neighbour_rate = _rate(problem, near[number])
            if neighbour_rate > rate * _WORTHWHILE:
                improved, rate = near[number], neighbour_rate
                break
    return row if improved is None else improved


def _best_start(
    problem: Problem, row: Assignments, deadline: Deadline
) -> tuple[Assignments, float]:
    """Return the lane, or a better one over the same boards, and its rate in slices a second."""
    rate = _rate(problem, row)
    others = _other_starts(problem)
    predicted = costs(problem, others, "throughput")
    for number in predicted.argsort(kind="stable")[:_SIMULATED_STARTS]:
        if deadline.passed or predicted[number] * rate * _WORTHWHILE >= 1:
            break
        other_rate = _rate(problem, others[number])
        if other_rate > rate * _WORTHWHILE:
            row, rate = others[number], other_rate
    return row, rate


def _other_starts(problem: Problem) -> Assignments:
    """Return the assignments that are considered as starts, shape (N, P)."""
    boards, pieces = len(problem.boards), len(problem.pieces)
    if boards**pieces > _FEW:
        return random_chains(problem)
    return np.array(list(itertools.product(range(boards), repeat=pieces)), np.int64)


def _rate(problem: Problem, row: Assignments) -> float:
    """Return the simulated slices a second of a lane, 0 if it does not fit."""
    placement = evaluate_placement(problem, "", [row], "throughput")
    return 0.0 if placement is None else steady_rate(problem, placement.lanes[0])
