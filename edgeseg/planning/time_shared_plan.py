"""A plan that finds a way for small boards too: in shifts, where nothing fits otherwise."""

from collections.abc import Mapping

import numpy as np

from edgeseg.boards.placement import Lane
from edgeseg.errors import PlacementError
from edgeseg.planning.exact.lower_bounds import least_work
from edgeseg.planning.heuristics.baselines import EvaluatedPlacement
from edgeseg.planning.outcome.feasibility import needs_alone, shortage
from edgeseg.planning.outcome.objective import Objective
from edgeseg.planning.outcome.prediction import COORDINATOR, Prediction
from edgeseg.planning.outcome.time_sharing import MOST_SLICES, TimeSharing, time_sharing_of
from edgeseg.planning.planner import Plan, plan
from edgeseg.planning.problem.arrays import arrays_of
from edgeseg.planning.problem.problem import Problem

METHOD = "shifts"


def plan_or_time_share(
    problem: Problem, objective: Objective = "throughput", time_limit: float = 4.0
) -> Plan:
    """Plan as :func:`~edgeseg.planning.planner.plan` does, and in shifts where nothing fits.

    In shifts every board that holds its largest piece runs whole slices, for throughput; for
    other objectives the best of them runs one slice at a time.

    Parameters
    ----------
    problem, objective, time_limit
        As for :func:`~edgeseg.planning.planner.plan`.

    Raises
    ------
    PlacementError
        If nothing fits in shifts either; the message says which piece.
    """
    try:
        return plan(problem, objective, time_limit)
    except PlacementError as error:
        found = _possible(problem, objective)
        if not found:
            raise PlacementError(_refusal(problem, str(error))) from None
    chosen = found if objective == "throughput" else _best(found, objective)
    return _planned(problem, objective, chosen)


def _possible(problem: Problem, objective: Objective) -> dict[int, TimeSharing]:
    most = MOST_SLICES if objective == "throughput" else 1
    tried = {board: time_sharing_of(problem, board, most) for board in range(len(problem.boards))}
    return {board: shifts for board, shifts in tried.items() if shifts is not None}


def _best(found: Mapping[int, TimeSharing], objective: Objective) -> dict[int, TimeSharing]:
    cost = {b: one.latency if objective == "latency" else one.need for b, one in found.items()}
    best = min(cost, key=lambda board: (cost[board], board))
    return {best: found[best]}


def _refusal(problem: Problem, reason: str) -> str:
    """Add to the reason which piece no board can hold, unless it says so itself."""
    lack = needs_alone(problem) - arrays_of(problem).limit
    if (lack.min(axis=1) > 0).any():
        return reason
    board = int(lack.max(axis=0).argmin())
    return f"{reason}; in shifts, {shortage(problem, int(lack[:, board].argmax()), board)}"


def _planned(problem: Problem, objective: Objective, chosen: Mapping[int, TimeSharing]) -> Plan:
    lanes = tuple(_lane(problem, board, shifts) for board, shifts in chosen.items())
    does = _prediction(problem, chosen)
    cost = {
        "throughput": 1 / does.rate,
        "latency": does.latency,
        "memory": float(does.largest_need),
    }
    bound = {
        "throughput": least_work(problem),
        "latency": min(one.compute for one in chosen.values()),
        "memory": float(needs_alone(problem).min(axis=1).max()),
    }
    return Plan(
        objective=objective,
        lanes=lanes,
        prediction=does,
        cost=cost[objective],
        bound=min(bound[objective], cost[objective]),
        left_out=_left_out(problem, chosen),
        method=METHOD,
        strategies=(EvaluatedPlacement(METHOD, lanes, does),),
    )


def _lane(problem: Problem, board: int, shifts: TimeSharing) -> Lane:
    names = [piece.name for piece in problem.pieces]
    return Lane(
        dict.fromkeys(names, problem.boards[board].name),
        shifts.batch,
        tuple(tuple(names[group.start : group.stop]) for group in shifts.groups),
    )


def _left_out(problem: Problem, chosen: Mapping[int, TimeSharing]) -> dict[str, str]:
    lack = needs_alone(problem) - arrays_of(problem).limit
    return {
        board.name: shortage(problem, int(lack[:, number].argmax()), number)
        if lack[:, number].max() > 0
        else "another board in shifts does better"
        for number, board in enumerate(problem.boards)
        if number not in chosen
    }


def _prediction(problem: Problem, chosen: Mapping[int, TimeSharing]) -> Prediction:
    """Say what boards in shifts would do; only images and masks pass over their links."""
    t, boards = arrays_of(problem), list(chosen)
    image, mask = float(t.wire[t.images].sum()), float(t.wire[t.masks].sum())
    up, down = mask / t.up[:-1], image / t.down[:-1]
    periods = [max(one.period, up[board], down[board]) for board, one in chosen.items()]
    rates = 1 / np.array(periods)
    shared = float(rates.sum()) * max(image / t.up[-1], mask / t.down[-1])
    rates = rates / max(shared, 1.0)
    share = dict(zip(boards, rates / rates.sum(), strict=True))
    names = [board.name for board in problem.boards]
    slowest = names[max(chosen, key=lambda board: chosen[board].period)]
    return Prediction(
        rate=float(rates.sum()),
        lane_rates=tuple(rates.tolist()),
        latency=max(one.latency + float(up[b] + down[b]) for b, one in chosen.items()),
        compute={names[b]: float(share[b]) * one.compute for b, one in chosen.items()},
        up={**{names[b]: float(share[b] * up[b]) for b in boards}, COORDINATOR: image / t.up[-1]},
        down={
            **{names[b]: float(share[b] * down[b]) for b in boards},
            COORDINATOR: mask / t.down[-1],
        },
        memory={names[b]: one.need for b, one in chosen.items()},
        bottleneck=f"memory: {slowest} runs in shifts",
    )
