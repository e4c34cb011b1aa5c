"""The plan: the best lanes found, what they are predicted to do, and how far from optimal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgeseg.boards.placement import Lane, Placement
from edgeseg.planning.clock import SYSTEM_CLOCK, Clock, Deadline
from edgeseg.planning.exact.feasible_start import feasible_start
from edgeseg.planning.exact.group_bounds import refine_groups
from edgeseg.planning.exact.lower_bounds import least_latency, least_period
from edgeseg.planning.exact.solve import solve_lane
from edgeseg.planning.heuristics.baselines import (
    EvaluatedPlacement,
    contiguous_lanes,
    evaluate_placement,
    whole_slice_lanes,
)
from edgeseg.planning.heuristics.board_groups import BoardGroups, group_boards
from edgeseg.planning.heuristics.local_search import local_search
from edgeseg.planning.heuristics.simulated_descent import simulated_descent
from edgeseg.planning.outcome.feasibility import left_out_reason, usable_boards
from edgeseg.planning.outcome.objective import INFEASIBLE, Objective, costs
from edgeseg.planning.outcome.prediction import Prediction, assignments_of, predict
from edgeseg.planning.outcome.simulation import simulated
from edgeseg.planning.problem.arrays import Assignments
from edgeseg.planning.problem.problem import Problem

_WORTHWHILE = 1e-6
"""Part of the rate that a lane must add, or its boards are left out."""


_SEARCHING, _CHAINING, _GROUPING, _PROVING, _BOUNDING = 0.25, 0.35, 0.5, 0.65, 0.75
"""Parts of the time limit after which each phase ends; the rest is for simulated descent."""


@dataclass(frozen=True)
class Plan:
    """Where the pieces go.

    Parameters
    ----------
    objective
        What was planned for.
    lanes
        Full sets of pieces, between which the slices are dealt.
    prediction
        What the lanes are predicted to do.
    cost
        What the objective minimises: seconds between two slices, seconds of one, or bytes.
    bound
        Lower bound on the cost of every placement in which a board serves at most one lane.
    left_out
        Why boards run nothing, by name.
    method
        How the lanes were found: the name of one of the ``strategies``; ``exact`` where exact
        search found better ones, ``tuned`` where simulated descent did.
    strategies
        The best placement of each strategy that fits: ``whole`` slices on each board,
        ``contiguous`` runs of pieces, ``folded`` for one lane of any shape, ``mixed`` for lanes
        of any shape.
    """

    objective: Objective
    lanes: tuple[Lane, ...]
    prediction: Prediction
    cost: float
    bound: float
    left_out: Mapping[str, str]
    method: str
    strategies: tuple[EvaluatedPlacement, ...]

    @property
    def placement(self) -> Placement:
        """The lanes and why boards were left out, as the runtime deploys them."""
        return Placement(self.lanes, self.left_out)

    @property
    def gap(self) -> float:
        """Upper bound on the part of the cost that a better placement could save."""
        return max(0.0, 1 - self.bound / self.cost)


def plan(
    problem: Problem,
    objective: Objective = "throughput",
    time_limit: float = 4.0,
    clock: Clock = SYSTEM_CLOCK,
) -> Plan:
    """Plan for the least cost within the memory limit of every board.

    The same problem gives the same plan, unless time runs out.

    Parameters
    ----------
    problem
        Pieces, boards and links.
    objective
        ``throughput`` for the most slices a second, ``latency`` for the fewest seconds a slice,
        ``memory`` for the smallest need of the board that needs most.
    time_limit
        Seconds. The first answer and its simulation are not cut short, so hundreds of pieces
        take longer.
    clock
        What the time limit is measured with. HiGHS, which solves what is left to prove, measures
        its share by its own clock.

    Returns
    -------
    Plan
        The best placement found, with a lower bound on the cost.

    Raises
    ------
    PlacementError
        If nothing fits; the message says what is needed and what is there.
    """
    start = clock()

    def until(share: float) -> Deadline:
        return Deadline(start + time_limit * share, clock)

    usable = problem.only(usable_boards(problem))
    folded = local_search(usable, objective, deadline=until(_SEARCHING))
    if costs(usable, folded[None], objective)[0] >= INFEASIBLE:
        feasible = feasible_start(problem, usable, time_limit / 2)
        latest = max(until(_BOUNDING).moment, clock() + time_limit * _SEARCHING)
        again = Deadline(latest, clock)
        folded = local_search(usable, objective, (feasible,), deadline=again)
    lanes = {
        "whole": whole_slice_lanes(usable, objective),
        "contiguous": contiguous_lanes(usable, objective, until(_CHAINING)),
        "folded": [folded],
    }
    if objective == "throughput":
        groups = _grouped(usable, folded, until(_GROUPING))
        lanes["mixed"] = groups.lanes()
        bound = _prove(usable, groups, until(_PROVING), until(_BOUNDING))
        lanes["exact"] = groups.lanes()
    else:
        exact = solve_lane(usable, folded, objective, until(_BOUNDING))
        lanes["exact"] = [folded if exact.assignment is None else exact.assignment]
        bound = max(exact.bound, least_latency(usable) if objective == "latency" else 0.0)
    placements = _evaluated(usable, lanes, objective)
    if objective == "throughput":
        best = min(placements, key=lambda placement: placement.cost(objective))
        rows = list(assignments_of(usable, best.lanes))
        tuned = {"tuned": simulated_descent(usable, rows, until(1))}
        placements += _evaluated(usable, tuned, objective)
    return _best_plan(problem, objective, placements, bound)


def _grouped(problem: Problem, folded: Assignments, deadline: Deadline) -> BoardGroups:
    """Return a lane of any shape for each group of boards, for throughput."""

    def solve(members: Problem) -> Assignments:
        return local_search(members, "throughput", quick=True, deadline=deadline)

    groups = group_boards(problem, solve, deadline)
    groups.enter(groups.full, folded)
    return groups


def _prove(problem: Problem, groups: BoardGroups, proving: Deadline, bounding: Deadline) -> float:
    """Improve the groups as far as time allows; return a lower bound on the period in seconds."""
    bound = 1 / refine_groups(groups, proving)
    if bound * groups.rate >= 1 - _WORTHWHILE:
        return bound
    return max(bound, least_period(problem, bounding))


def _evaluated(
    problem: Problem, lanes: Mapping[str, Sequence[Assignments]], objective: Objective
) -> list[EvaluatedPlacement]:
    """Return the placements that fit, with simulated rates and without lanes that add nothing."""
    evaluated = (evaluate_placement(problem, name, rows, objective) for name, rows in lanes.items())
    return [
        _without_idle_lanes(problem, placement) for placement in evaluated if placement is not None
    ]


def _without_idle_lanes(problem: Problem, placement: EvaluatedPlacement) -> EvaluatedPlacement:
    """Drop lanes that add nothing to the rate, the slowest first; simulate the others."""
    lanes = placement.lanes
    while len(lanes) > 1:
        rates = predict(problem, lanes).lane_rates
        slowest = rates.index(min(rates))
        fewer = (*lanes[:slowest], *lanes[slowest + 1 :])
        if predict(problem, fewer).rate < sum(rates) * (1 - _WORTHWHILE):
            break
        lanes = fewer
    return replace(placement, lanes=lanes, prediction=simulated(problem, lanes))


def _best_plan(
    problem: Problem, objective: Objective, placements: Sequence[EvaluatedPlacement], bound: float
) -> Plan:
    """Return the plan of the first placement, the simplest, that costs least but for rounding."""
    least = min(placement.cost(objective) for placement in placements)
    best = next(
        placement for placement in placements if placement.cost(objective) <= least * (1 + 1e-9)
    )
    cost = best.cost(objective)
    members = {name for lane in best.lanes for name in lane.members}
    return Plan(
        objective=objective,
        lanes=best.lanes,
        prediction=best.prediction,
        cost=cost,
        bound=min(bound, cost),
        left_out={
            board.name: left_out_reason(problem, number, objective, cost)
            for number, board in enumerate(problem.boards)
            if board.name not in members
        },
        method=best.name,
        strategies=tuple(p for p in placements if p.name not in {"exact", "tuned"}),
    )
