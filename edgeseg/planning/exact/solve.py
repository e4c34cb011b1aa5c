"""Exact search for one lane: enumeration where lanes are few, else branch and bound, then HiGHS."""

from dataclasses import dataclass, replace

import numpy as np

from edgeseg.planning.clock import Deadline
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
"""Least relative improvement that is searched for."""

MOST_ENUMERATED = 20_000
"""Assignments up to which all are evaluated."""

BRANCHING = 0.8
"""Share of the time after which HiGHS takes over from branch and bound."""

_STEPS = (0.7, 0.8, 0.87, 0.93, 0.97, 1.0)
"""Parts of the cost below which lanes are searched for; each is a bound if there are none."""


@dataclass(frozen=True)
class ExactResult:
    """The result of an exact search.

    Parameters
    ----------
    assignment
        The best lane known, shape (P,); None where none is known.
    cost
        What it costs; infinite without one.
    bound
        Lower bound on the cost of every lane, or the cost below which lanes were searched for
        if that is less.
    """

    assignment: Assignments | None
    cost: float
    bound: float


def solve_lane(  # noqa: PLR0913, PLR0917 - one problem, and what is known of it
    problem: Problem,
    start: Assignments | None,
    objective: Objective,
    deadline: Deadline,
    below: float = np.inf,
    branching: float = BRANCHING,
) -> ExactResult:
    """Return the lane of least cost, or the best until time is up, with a lower bound.

    Parameters
    ----------
    problem
        P pieces and B boards.
    start
        The best lane known so far, shape (P,), within the memory limits; None where none is
        known.
    objective
        What counts.
    deadline
        When to stop. HiGHS measures its share of the time by its own clock.
    below
        Only lanes of less cost are of interest.
    branching
        Share of the time for branch and bound; the rest is left to HiGHS.
    """
    count = len(problem.boards) ** len(problem.pieces)
    if count <= MOST_ENUMERATED:
        return _enumerate(problem, objective)
    if objective == "memory":
        return _solve_directly(problem, start, objective, deadline)
    steps = branch_in_steps(problem, start, objective, below, deadline.within(branching))
    if steps.bound >= min(steps.cost, below) * (1 - _WORTHWHILE):
        return steps
    if objective == "latency":
        solved = _solve_directly(problem, steps.assignment, objective, deadline)
    else:
        solved = _solve_throughput(problem, steps.assignment, below, deadline)
    return replace(solved, bound=max(solved.bound, steps.bound))


def branch_in_steps(
    problem: Problem,
    start: Assignments | None,
    objective: Objective,
    below: float,
    deadline: Deadline,
) -> ExactResult:
    """Branch and bound for lanes below a part of the cost, then below larger parts.

    Parameters and result are those of :func:`solve_lane`.
    """
    cost, bound = _cost(problem, start, objective), 0.0
    target = min(cost, below) * (1 - _WORTHWHILE)
    for step in _STEPS if np.isfinite(target) else (1.0,):
        result = branch_and_bound(problem, objective, target * step, deadline)
        if result.assignment is not None:
            cost = _cost(problem, result.assignment, objective)
            return ExactResult(result.assignment, cost, cost if result.complete else bound)
        if not result.complete:
            break
        bound = target * step
    return ExactResult(start, cost, bound)


def _enumerate(problem: Problem, objective: Objective) -> ExactResult:
    """Evaluate all assignments."""
    boards, pieces = len(problem.boards), len(problem.pieces)
    powers = np.array([boards**place for place in range(pieces)], np.int64)
    rows = np.arange(boards**pieces)[:, None] // powers % boards
    best = _cheapest(problem, rows, objective)
    cost = _cost(problem, best, objective)
    if cost < INFEASIBLE:
        return ExactResult(best, cost, cost)
    return ExactResult(None, np.inf, np.inf)


@dataclass
class _ThroughputSearch:
    """The search for the least period, by ranges of the number of slices in flight."""

    problem: Problem
    best: Assignments | None
    cost: float
    below: float
    deadline: Deadline

    @property
    def target(self) -> float:
        """The period below which lanes are of interest, in seconds."""
        return min(self.cost, self.below) * (1 - _WORTHWHILE)

    def solve(self, at_least: int, at_most: int, share: float = 1.0) -> float:
        """Search the lanes with memory for ``at_least`` slices that need ``at_most`` in flight.

        Returns a lower bound on their period in seconds; lanes above the target are not searched.
        """
        bound = least_latency(self.problem) / at_most if at_most >= at_least else np.inf
        seconds = self.deadline.seconds_left * share
        if bound >= self.target or seconds <= 0:
            return bound
        model = one_lane(self.problem)
        period = _period_with(model, at_least, at_most)
        if np.isfinite(self.target):
            model.program.at_most(self.target / model.second, {period: 1})
        solution = model.program.minimum(period, seconds)
        self.best = _better(model, self.best, solution, "throughput")
        self.cost = _cost(self.problem, self.best, "throughput")
        return max(bound, solution.bound * model.second)


def _solve_throughput(
    problem: Problem, start: Assignments | None, below: float, deadline: Deadline
) -> ExactResult:
    """Solve by number of slices in flight: more of them leave less memory for pieces.

    First for more than the known lane needs, all at once and then, as long as that leaves a gap,
    one by one; in between for fewer.
    """
    cost = _cost(problem, start, "throughput")
    search = _ThroughputSearch(problem, start, cost, below, deadline)
    latency = 0.0 if start is None else float(latencies(problem, start[None])[0])
    needed = 1 if start is None else fewest_in_flight(cost, latency)
    in_flight, largest = needed + 1, most_in_flight(problem)
    bounds = [search.solve(in_flight, largest, share=0.5)]
    bounds += [search.solve(fewer, fewer) for fewer in range(needed, 0, -1)]
    while bounds[0] < search.target and in_flight < largest and not deadline.passed:
        bounds.append(search.solve(in_flight, in_flight))
        in_flight += 1
        bounds[0] = search.solve(in_flight, largest)
    return ExactResult(search.best, search.cost, min(*bounds, search.target))


def _period_with(model: Formulation, at_least: int, at_most: int) -> int:
    """Add the period of lanes with memory for some slices, that need no more than others."""
    period, latency = model.add_unbounded(), model.add_unbounded()
    limit_busy(model, period)
    limit_memory(model, at_least)
    limit_latency(model, latency)
    model.program.at_most(0, {latency: 1, period: -at_most})
    return period


def _solve_directly(
    problem: Problem, start: Assignments | None, objective: Objective, deadline: Deadline
) -> ExactResult:
    """Minimise latency or memory with HiGHS.

    The latency of the program is a lower bound; it is exact where the schedule keeps to it.
    """
    model = one_lane(problem)
    limit_memory(model, 1)
    goal = model.add_unbounded()
    if objective == "latency":
        limit_latency(model, goal)
    else:
        limit_need(model, 1, goal)
    unit = model.second if objective == "latency" else model.byte
    start_cost = _cost(problem, start, objective)
    if np.isfinite(start_cost):
        model.program.at_most(start_cost / unit * (1 - _WORTHWHILE), {goal: 1})
    solution = model.program.minimum(goal, deadline.seconds_left)
    best = _better(model, start, solution, objective)
    cost = _cost(problem, best, objective)
    return ExactResult(best, cost, min(solution.bound * unit, cost * (1 - _WORTHWHILE)))


def _better(
    model: Formulation, best: Assignments | None, solution: Solution, objective: Objective
) -> Assignments | None:
    """Return the lane of a solution after local search, if it is better than the best."""
    if solution.values is None:
        return best
    values = np.array(solution.values)
    solved = values[np.array(model.share)].argmax(axis=1)
    rows = [descend(model.problem, solved, objective), *(() if best is None else (best,))]
    cheapest = _cheapest(model.problem, np.array(rows), objective)
    return cheapest if _cost(model.problem, cheapest, objective) < INFEASIBLE else best


def _cheapest(problem: Problem, rows: Assignments, objective: Objective) -> Assignments:
    return np.asarray(rows[costs(problem, rows, objective).argmin()], np.int64)


def _cost(problem: Problem, assignment: Assignments | None, objective: Objective) -> float:
    if assignment is None:
        return np.inf
    return float(costs(problem, assignment[None], objective)[0])
