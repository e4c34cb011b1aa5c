"""A plan for small boards too: pieces take turns in memory where nothing else fits."""

from collections.abc import Mapping

import numpy as np

from edgeseg.boards.placement import Lane
from edgeseg.errors import PlacementError
from edgeseg.planning.clock import SYSTEM_CLOCK, Clock
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
"""Name of the method and strategy in reports."""


def plan_or_time_share(
    problem: Problem,
    objective: Objective = "throughput",
    time_limit: float = 4.0,
    clock: Clock = SYSTEM_CLOCK,
) -> Plan:
    """Plan as :func:`edgeseg.planning.plan` does, and with time sharing where nothing fits.

    With time sharing every board that holds each piece alone runs whole slices, for throughput;
    for other objectives the best of these boards runs one slice at a time.

    Parameters
    ----------
    problem, objective, time_limit, clock
        As for :func:`edgeseg.planning.plan`.

    Returns
    -------
    Plan
        Its lanes have ``shifts`` where boards share their memory in time.

    Raises
    ------
    PlacementError
        If nothing fits with time sharing either; the message names the piece.
    """
    try:
        return plan(problem, objective, time_limit, clock)
    except PlacementError as error:
        choices = _possible(problem, objective)
        if not choices:
            raise PlacementError(_refusal(problem, str(error))) from None
    sharing = choices if objective == "throughput" else _best(choices, objective)
    return _time_shared_plan(problem, objective, sharing)


def _possible(problem: Problem, objective: Objective) -> dict[int, TimeSharing]:
    """Return the time sharing of each board that allows it, by number."""
    most_slices = MOST_SLICES if objective == "throughput" else 1
    by_board = {
        board: time_sharing_of(problem, board, most_slices) for board in range(len(problem.boards))
    }
    return {board: sharing for board, sharing in by_board.items() if sharing is not None}


def _best(choices: Mapping[int, TimeSharing], objective: Objective) -> dict[int, TimeSharing]:
    """Return the board that does best on its own."""
    cost = {
        board: sharing.latency if objective == "latency" else sharing.need
        for board, sharing in choices.items()
    }
    best = min(cost, key=lambda board: (cost[board], board))
    return {best: choices[best]}


def _refusal(problem: Problem, reason: str) -> str:
    """Add to the reason which piece no board holds, unless the reason names it."""
    excess = needs_alone(problem) - arrays_of(problem).limit
    if (excess.min(axis=1) > 0).any():
        return reason
    board = int(excess.max(axis=0).argmin())
    return f"{reason}; in shifts, {shortage(problem, int(excess[:, board].argmax()), board)}"


def _time_shared_plan(
    problem: Problem, objective: Objective, sharing: Mapping[int, TimeSharing]
) -> Plan:
    lanes = tuple(_lane(problem, board, entry) for board, entry in sharing.items())
    prediction = _prediction(problem, sharing)
    cost = {
        "throughput": 1 / prediction.rate,
        "latency": prediction.latency,
        "memory": float(prediction.largest_need),
    }
    bound = {
        "throughput": least_work(problem),
        "latency": min(entry.compute for entry in sharing.values()),
        "memory": float(needs_alone(problem).min(axis=1).max()),
    }
    return Plan(
        objective=objective,
        lanes=lanes,
        prediction=prediction,
        cost=cost[objective],
        bound=min(bound[objective], cost[objective]),
        left_out=_left_out(problem, sharing),
        method=METHOD,
        strategies=(EvaluatedPlacement(METHOD, lanes, prediction),),
    )


def _lane(problem: Problem, board: int, sharing: TimeSharing) -> Lane:
    names = [piece.name for piece in problem.pieces]
    return Lane(
        dict.fromkeys(names, problem.boards[board].name),
        sharing.batch,
        tuple(tuple(names[group.start : group.stop]) for group in sharing.groups),
    )


def _left_out(problem: Problem, sharing: Mapping[int, TimeSharing]) -> dict[str, str]:
    """Return why other boards run nothing, by name."""
    excess = needs_alone(problem) - arrays_of(problem).limit
    return {
        board.name: shortage(problem, int(excess[:, number].argmax()), number)
        if excess[:, number].max() > 0
        else "another board in shifts does better"
        for number, board in enumerate(problem.boards)
        if number not in sharing
    }


def _prediction(problem: Problem, sharing: Mapping[int, TimeSharing]) -> Prediction:
    """Return what time-shared boards do; only images and masks pass over their links."""
    t, boards = arrays_of(problem), list(sharing)
    image, mask = float(t.wire[t.images].sum()), float(t.wire[t.masks].sum())
    up, down = mask / t.up[:-1], image / t.down[:-1]
    periods = [max(entry.period, up[board], down[board]) for board, entry in sharing.items()]
    rates = 1 / np.array(periods)
    coordinator_busy = float(rates.sum()) * max(image / t.up[-1], mask / t.down[-1])
    rates = rates / max(coordinator_busy, 1.0)
    share = dict(zip(boards, (rates / rates.sum()).tolist(), strict=True))
    names = [board.name for board in problem.boards]
    slowest = names[max(sharing, key=lambda board: sharing[board].period)]
    return Prediction(
        rate=float(rates.sum()),
        lane_rates=tuple(rates.tolist()),
        latency=max(entry.latency + float(up[b] + down[b]) for b, entry in sharing.items()),
        compute={names[b]: share[b] * entry.compute for b, entry in sharing.items()},
        up={**{names[b]: share[b] * float(up[b]) for b in boards}, COORDINATOR: image / t.up[-1]},
        down={
            **{names[b]: share[b] * float(down[b]) for b in boards},
            COORDINATOR: mask / t.down[-1],
        },
        memory={names[b]: entry.need for b, entry in sharing.items()},
        bottleneck=f"memory: {slowest} runs in shifts",
    )
