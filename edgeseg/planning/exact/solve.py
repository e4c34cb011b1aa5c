"""The best lane there is, as far as time allows: all looked at, branch and bound, HiGHS."""

import time
from dataclasses import dataclass, replace

import numpy as np

from edgeseg.planning.exact.branch_and_bound import branch_and_bound
from edgeseg.planning.exact.formulation import Formulation, one_lane
from edgeseg.planning.exact.latency_constraints import limit_latency
from edgeseg.planning.exact.load_constraints import limit_busy
from edgeseg.planning.exact.lower_bounds import least_latency, most_in_flight
from edgeseg.planning.exact.memory_constraints import limit_memory, limit_need
from edgeseg.planning.exact.milp import Solution
from edgeseg.planning.heuristics.local_search import descend
from edgeseg.planning.outcome.latency import latencies
from edgeseg.planning.outcome.objective import INFEASIBLE, Objective, costs
from edgeseg.planning.outcome.prediction import fewest_in_flight
from edgeseg.planning.problem.arrays import Assignments
from edgeseg.planning.problem.problem import Problem

_WORTHWHILE = 1e-5
"""The least improvement that is looked for, as a part of the cost."""

MOST_ENUMERATED = 20_000
"""Assignments that are all looked at."""

BRANCHING = 0.8
"""Part of the time after which HiGHS takes over from branch and bound."""

_STEPS = (0.7, 0.8, 0.87, 0.93, 0.97, 1.0)
"""Parts of the cost below which lanes are looked for, each a bound if there are none."""


@dataclass(frozen=True)
class ExactResult:
    """What came of an exact search.

    Parameters
    ----------
    assignment
        The best lane known, shape (P,); None where none is.
    cost
        What it costs; infinite without one.
    bound
        A cost that no lane is below, except that it may be as low as what was asked for.
    """

    assignment: Assignments | None
    cost: float
    bound: float


def solve_lane(  # noqa: PLR0913, PLR0917 - one problem, and what is known of it
    problem: Problem,
    found: Assignments | None,
    objective: Objective,
    seconds: float,
    below: float = np.inf,
    branching: float = BRANCHING,
) -> ExactResult:
    """Look for a lane of less cost than the one found, until the time is up.

    Parameters
    ----------
    problem
        P pieces and B boards.
    found
        The best known so far, shape (P,); it fits. None where none is known.
    objective
        What counts.
    seconds
        Time for it.
    below
        Lanes that cost as much are of no interest.
    branching
        Part of the time for branch and bound; the rest is left to HiGHS.
    """
    count = len(problem.boards) ** len(problem.pieces)
    if count <= MOST_ENUMERATED:
        best = _cheapest(problem, _all(len(problem.boards), len(problem.pieces)), objective)
        cost = _cost(problem, best, objective)
        return (
            ExactResult(best, cost, cost)
            if cost < INFEASIBLE
            else ExactResult(None, np.inf, np.inf)
        )
    deadline = time.monotonic() + seconds
    if objective == "memory":
        return _least(problem, found, objective, seconds)
    quick = branch_in_steps(problem, found, objective, seconds * branching, below)
    if quick.bound >= min(quick.cost, below) * (1 - _WORTHWHILE):
        return quick
    if objective == "latency":
        solved = _least(problem, quick.assignment, objective, deadline - time.monotonic())
    else:
        solved = _fastest(problem, quick.assignment, deadline, below)
    return replace(solved, bound=max(solved.bound, quick.bound))


def branch_in_steps(
    problem: Problem,
    found: Assignments | None,
    objective: Objective,
    seconds: float,
    below: float,
) -> ExactResult:
    """Look for lanes below a part of the cost, and then below a larger one.

    Parameters and result are those of :func:`improve`.
    """
    deadline = time.monotonic() + seconds
    cost, bound = _cost(problem, found, objective), 0.0
    wanted = min(cost, below) * (1 - _WORTHWHILE)
    for step in _STEPS if np.isfinite(wanted) else (1.0,):
        reached = branch_and_bound(problem, objective, wanted * step, deadline - time.monotonic())
        if reached.assignment is not None:
            cost = _cost(problem, reached.assignment, objective)
            return ExactResult(reached.assignment, cost, cost if reached.complete else bound)
        if not reached.complete:
            break
        bound = wanted * step
    return ExactResult(found, cost, bound)


@dataclass
class _Windows:
    """The search for the best rate, one range of windows after the other."""

    problem: Problem
    best: Assignments | None
    cost: float
    below: float
    deadline: float

    def solve(self, window: int, in_flight: int, share: float = 1.0) -> float:
        """Search the lanes with room for a window that need no more than so many in flight.

        Returns the seconds that none of them is below; none is looked for that is not wanted.
        """
        at_least = least_latency(self.problem) / in_flight if in_flight >= window else np.inf
        left = (self.deadline - time.monotonic()) * share
        if at_least >= self.wanted or left <= 0:
            return at_least
        model = one_lane(self.problem)
        period = _period_with(model, window, in_flight)
        if np.isfinite(self.wanted):
            model.program.at_most(self.wanted / model.second, {period: 1})
        solution = model.program.least(period, left)
        self.best = _better(model, self.best, solution, "throughput")
        self.cost = _cost(self.problem, self.best, "throughput")
        return max(at_least, solution.bound * model.second)

    @property
    def wanted(self) -> float:
        """What is worth looking for."""
        return min(self.cost, self.below) * (1 - _WORTHWHILE)


def _fastest(
    problem: Problem, found: Assignments | None, deadline: float, below: float
) -> ExactResult:
    """Solve for one window after the other: more slices in flight, less memory for pieces.

    First for those larger than the known lane's, all at once and then, as long as that leaves
    something to hope for, one by one; then for the others.
    """
    cost = _cost(problem, found, "throughput")
    windows = _Windows(problem, found, cost, below, deadline)
    alone = 0.0 if found is None else float(latencies(problem, found[None])[0])
    first = 1 if found is None else fewest_in_flight(cost, alone)
    window, most = first + 1, most_in_flight(problem)
    bounds = [windows.solve(window, most, share=0.5)]
    bounds += [windows.solve(smaller, smaller) for smaller in range(first, 0, -1)]
    while bounds[0] < windows.wanted and window < most and time.monotonic() < deadline:
        bounds.append(windows.solve(window, window))
        window += 1
        bounds[0] = windows.solve(window, most)
    return ExactResult(windows.best, windows.cost, min(*bounds, windows.wanted))


def _period_with(model: Formulation, window: int, in_flight: int) -> int:
    """Add the period of lanes with room for a window, and with no more slices in flight."""
    period, latency = model.add_time(), model.add_time()
    limit_busy(model, period)
    limit_memory(model, window)
    limit_latency(model, latency)
    model.program.at_most(0, {latency: 1, period: -in_flight})
    return period


def _least(
    problem: Problem, found: Assignments | None, objective: Objective, seconds: float
) -> ExactResult:
    """Solve for latency or for memory.

    The program's latency is a bound: it is the answer where the schedule keeps to it.
    """
    model = one_lane(problem)
    limit_memory(model, 1)
    goal = model.add_time()
    if objective == "latency":
        limit_latency(model, goal)
    else:
        limit_need(model, 1, goal)
    unit = model.second if objective == "latency" else model.byte
    known = _cost(problem, found, objective)
    if np.isfinite(known):
        model.program.at_most(known / unit * (1 - _WORTHWHILE), {goal: 1})
    solution = model.program.least(goal, seconds)
    best = _better(model, found, solution, objective)
    cost = _cost(problem, best, objective)
    return ExactResult(best, cost, min(solution.bound * unit, cost * (1 - _WORTHWHILE)))


def _better(
    model: Formulation, best: Assignments | None, solution: Solution, objective: Objective
) -> Assignments | None:
    """Return the solution, improved where its program was a relaxation, if it is better."""
    if solution.values is None:
        return best
    values = np.array(solution.values)
    solved = values[np.array(model.share)].argmax(axis=1)
    rows = [descend(model.problem, solved, objective), *(() if best is None else (best,))]
    cheapest = _cheapest(model.problem, np.array(rows), objective)
    return cheapest if _cost(model.problem, cheapest, objective) < INFEASIBLE else best


def _all(boards: int, pieces: int) -> Assignments:
    """List all assignments, (boards ** pieces, pieces)."""
    powers = np.array([boards**place for place in range(pieces)], np.int64)
    return np.arange(boards**pieces)[:, None] // powers % boards


def _cheapest(problem: Problem, rows: Assignments, objective: Objective) -> Assignments:
    return np.asarray(rows[costs(problem, rows, objective).argmin()], np.int64)


def _cost(problem: Problem, assignment: Assignments | None, objective: Objective) -> float:
    if assignment is None:
        return np.inf
    return float(costs(problem, assignment[None], objective)[0])
