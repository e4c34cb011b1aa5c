"""The best lane there is, as far as time allows: all of them looked at, or HiGHS."""

import time
from dataclasses import dataclass

import numpy as np

from edgeseg.planning.linear import Solution
from edgeseg.planning.model import Model, one_lane
from edgeseg.planning.objective import Objective, costs
from edgeseg.planning.prediction import busy_window
from edgeseg.planning.problem import Problem
from edgeseg.planning.scores import Assignments, latencies
from edgeseg.planning.search import descend

_WORTHWHILE = 1e-5
"""The least improvement that is looked for, as a part of the cost."""

MOST_ENUMERATED = 20_000
"""Assignments that are all looked at."""


@dataclass(frozen=True)
class Exact:
    """A lane's assignment, shape (P,), and whether it is proven that no other costs less."""

    assignment: Assignments
    proven: bool


def improve(problem: Problem, found: Assignments, objective: Objective, seconds: float) -> Exact:
    """Look for an assignment of less cost than one that fits, until the time is up.

    Parameters
    ----------
    problem
        P pieces and B boards.
    found
        The best known so far, shape (P,).
    objective
        What counts.
    seconds
        Time for it.
    """
    count = len(problem.boards) ** len(problem.pieces)
    if count <= MOST_ENUMERATED:
        digits = np.unravel_index(np.arange(count), (len(problem.boards),) * len(problem.pieces))
        rows = np.stack([found, *np.stack(digits, axis=1)])
        return Exact(rows[costs(problem, rows, objective).argmin()], proven=True)
    if objective == "throughput":
        return _fastest(problem, found, time.monotonic() + seconds)
    return _least(problem, found, objective, seconds)


def _fastest(problem: Problem, found: Assignments, deadline: float) -> Exact:
    """Solve for one window after the other: more slices in flight, less memory for pieces.

    The largest has no row for the latency, so that it stands for all that are larger still.
    """
    best, proven = found, True
    cost = float(costs(problem, best[None], "throughput")[0])
    first = busy_window(cost, float(latencies(problem, best[None])[0]))
    for window in (first, first + 1, *range(first - 1, 0, -1)):
        left = deadline - time.monotonic()
        if left <= 0:
            return Exact(best, proven=False)
        model = one_lane(problem)
        period = model.add_time()
        model.limit_busy(period)
        model.limit_memory(window)
        if window <= first:
            latency = model.add_time()
            model.limit_latency(latency)
            model.program.at_most(0, {latency: 1, period: -window})
        model.program.at_most(cost / model.second * (1 - _WORTHWHILE), {period: 1})
        solution = model.program.least(period, left)
        proven &= solution.proven
        best = _better(model, best, solution, "throughput")
        cost = float(costs(problem, best[None], "throughput")[0])
    return Exact(best, proven)


def _least(problem: Problem, found: Assignments, objective: Objective, seconds: float) -> Exact:
    """Solve for latency or for memory.

    The program's latency is a bound: it is the answer where the schedule keeps to it.
    """
    model = one_lane(problem)
    model.limit_memory(1)
    goal = model.add_time()
    if objective == "latency":
        model.limit_latency(goal)
    else:
        model.limit_need(1, goal)
    unit = model.second if objective == "latency" else model.byte
    cost = float(costs(problem, found[None], objective)[0])
    model.program.at_most(cost / unit * (1 - _WORTHWHILE), {goal: 1})
    solution = model.program.least(goal, seconds)
    best = _better(model, found, solution, objective)
    reached = float(costs(problem, best[None], objective)[0])
    tight = solution.values is None or reached <= solution.bound * unit * (1 + _WORTHWHILE)
    return Exact(best, proven=solution.proven and tight)


def _better(
    model: Model, best: Assignments, solution: Solution, objective: Objective
) -> Assignments:
    """Return the solution, improved where its program was a relaxation, if it is better."""
    if solution.values is None:
        return best
    values = np.array(solution.values)
    solved = values[np.array(model.share)].argmax(axis=1)
    rows = np.array([best, descend(model.problem, solved, objective)])
    return np.asarray(rows[costs(model.problem, rows, objective).argmin()], np.int64)
