"""The plan: the best lanes found, what they would do, and how far from the best they may be."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgeseg.boards.placement import Lane, Placement
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
from edgeseg.planning.problem.problem import Problem

_HELPS = 1e-6
"""Part of the rate that a lane must bring, or its boards are left out."""


_SEARCHING, _CHAINING, _GROUPING, _PROVING, _BOUNDING = 0.25, 0.35, 0.5, 0.65, 0.75
"""Parts of the time after which each of these ends; then slices are followed through lanes."""


@dataclass(frozen=True)
class Plan:
    """Where the pieces go.

    Parameters
    ----------
    lanes
        Full sets of pieces, between which the slices are dealt.
    prediction
        What they would do.
    cost
        What the objective makes least: seconds between two slices, seconds of one, or bytes.
    bound
        A cost that no placement is below of which each board is in one lane at most.
    left_out
        Why boards run nothing, by name.
    method
        The strategy that found the lanes; ``exact`` where the exact search did better than all,
        ``tuned`` where following slices led to a lane that is better still.
    strategies
        The best of each strategy that fits: ``whole`` slices on each board, ``contiguous`` runs
        of pieces, ``folded`` for one lane of any shape, ``mixed`` for lanes of any shape.
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
        """The lanes and why boards were left out: what the runtime carries out."""
        return Placement(self.lanes, self.left_out)

    @property
    def gap(self) -> float:
        """Part of the cost that a better placement could save at most."""
        return max(0.0, 1 - self.bound / self.cost)


def plan(problem: Problem, objective: Objective = "throughput", time_limit: float = 4.0) -> Plan:
    """Plan for the least cost within every board's memory.

    The same problem gives the same plan, unless time runs out.

    Parameters
    ----------
    problem
        Pieces, boards and links.
    objective
        ``throughput`` for the most slices a second, ``latency`` for the fewest seconds a slice,
        ``memory`` for the smallest largest board.
    time_limit
        Seconds; hundreds of pieces on many boards take longer until there is any answer at all.

    Raises
    ------
    PlacementError
        If nothing fits; the message says what is needed and what is there.
    """
    start = time.monotonic()

    def by(share: float) -> float:
        return start + time_limit * share

    part = problem.only(usable_boards(problem))
    folded = local_search(part, objective, deadline=by(_SEARCHING))
    if costs(part, folded[None], objective)[0] >= INFEASIBLE:
        folded = local_search(part, objective, (feasible_start(problem, part, time_limit / 2),))
    rows = {
        "whole": whole_slice_lanes(part, objective),
        "contiguous": contiguous_lanes(part, objective, by(_CHAINING)),
        "folded": [folded],
    }
    if objective == "throughput":
        latest = by(_GROUPING)
        groups = group_boards(
            part, lambda some: local_search(some, objective, quick=True, deadline=latest), latest
        )
        groups.enter(groups.full, folded)
        rows["mixed"] = groups.lanes()
        bound = _prove(part, groups, by(_PROVING), by(_BOUNDING))
        rows["exact"] = groups.lanes()
    else:
        found = solve_lane(part, folded, objective, by(_BOUNDING) - time.monotonic())
        rows["exact"] = [folded if found.assignment is None else found.assignment]
        bound = max(found.bound, least_latency(part) if objective == "latency" else 0.0)
    tried = [evaluate_placement(part, name, lanes, objective) for name, lanes in rows.items()]
    fitting = [_without_idlers(part, one) for one in tried if one is not None]
    if objective == "throughput":
        best = min(fitting, key=lambda one: one.cost(objective))
        settled = simulated_descent(part, list(assignments_of(part, best.lanes)), by(1))
        tuned = evaluate_placement(part, "tuned", settled, objective)
        fitting += [] if tuned is None else [_without_idlers(part, tuned)]
    return _plan(problem, objective, fitting, bound)


def _prove(problem: Problem, groups: BoardGroups, deadline: float, latest: float) -> float:
    """Improve the groups as far as time allows and return the least period there may be."""
    bound = 1 / refine_groups(groups, deadline)
    if bound * groups.rate >= 1 - _HELPS:
        return bound
    return max(bound, least_period(problem, latest))


def _plan(
    problem: Problem, objective: Objective, fitting: Sequence[EvaluatedPlacement], bound: float
) -> Plan:
    """Take the first of the strategies that cost least but for rounding: the simplest one."""
    least = min(one.cost(objective) for one in fitting)
    best = next(one for one in fitting if one.cost(objective) <= least * (1 + 1e-9))
    members = {name for lane in best.lanes for name in lane.members}
    return Plan(
        objective=objective,
        lanes=best.lanes,
        prediction=best.prediction,
        cost=best.cost(objective),
        bound=min(bound, best.cost(objective)),
        left_out={
            board.name: left_out_reason(problem, number, objective, best.cost(objective))
            for number, board in enumerate(problem.boards)
            if board.name not in members
        },
        method=best.name,
        strategies=tuple(one for one in fitting if one.name not in {"exact", "tuned"}),
    )


def _without_idlers(problem: Problem, one: EvaluatedPlacement) -> EvaluatedPlacement:
    """Drop lanes that bring nothing, the slowest first; follow slices through the others."""
    lanes = one.lanes
    while len(lanes) > 1:
        rates = predict(problem, lanes).lane_rates
        slowest = rates.index(min(rates))
        fewer = (*lanes[:slowest], *lanes[slowest + 1 :])
        if predict(problem, fewer).rate < sum(rates) * (1 - _HELPS):
            break
        lanes = fewer
    return replace(one, lanes=lanes, prediction=simulated(problem, lanes))
