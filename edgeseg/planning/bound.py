"""What no placement can beat, replicas and any number of lanes included."""

import numpy as np

from edgeseg.planning.model import any_lanes, one_lane
from edgeseg.planning.objective import Objective
from edgeseg.planning.problem import Problem
from edgeseg.planning.scores import tables_of

_CLOSE = 1e-3
"""A gap that needs no more work."""

_ROUNDS = 3
"""How often a bound on the period is used to sharpen itself."""


def lower_bound(problem: Problem, objective: Objective, seconds: float, enough: float) -> float:
    """Return a cost that no placement is below: seconds or bytes, as in ``objective.costs``.

    Parameters
    ----------
    problem
        P pieces and B boards.
    objective
        What counts.
    seconds
        Time for it.
    enough
        The cost found: a bound that reaches it needs no more work.
    """
    if objective == "latency":
        return _latency(problem, seconds)
    if objective == "memory":
        return _memory(problem, seconds)
    quick = 0.0
    for _ in range(_ROUNDS):
        quick = max(quick, _period(problem, quick, seconds, enough=None))
    if quick >= enough * (1 - _CLOSE):
        return quick
    return max(quick, _period(problem, quick, seconds, enough))


def least_latency(problem: Problem) -> float:
    """Return the seconds of the longest path with every piece on the quickest board for it."""
    t = tables_of(problem)
    quickest = t.seconds.min(axis=1)
    ends = np.zeros(len(problem.pieces))
    starts = np.zeros(len(problem.pieces))
    image = (t.wire[:, None] / np.minimum(t.up[-1], t.down[:-1]) + t.delay[:-1]).min(axis=1)
    for piece, seconds in enumerate(quickest):
        for number, flow in enumerate(problem.flows):
            if piece in flow.readers:
                made = image[number] + t.delay[-1] if flow.producer is None else ends[flow.producer]
                starts[piece] = max(starts[piece], made)
        ends[piece] = starts[piece] + seconds
    back = (t.wire[:, None] / np.minimum(t.up[:-1], t.down[-1]) + t.delay[:-1]).min(axis=1)
    return max(
        float(ends[flow.producer] + back[number] + t.delay[-1])
        for number, flow in enumerate(problem.flows)
        if flow.returns and flow.producer is not None
    )


def most_in_flight(problem: Problem) -> int:
    """Return how many slices all boards together have room for: each piece and tensor once."""
    t = tables_of(problem)
    room = float((t.limit - t.base).clip(0).sum() - t.resident.sum())
    return int(room // max(float(t.held.sum()), 1.0))


def _period(problem: Problem, known: float, seconds: float, enough: float | None) -> float:
    """Relax any lanes to shares; with ``enough``, look for less than that with whole pieces."""
    model = any_lanes(problem, whole=enough is not None)
    period, latency = model.add_time(), model.add_time()
    model.limit_busy(period)
    model.limit_memory(1)
    model.limit_in_flight(period, least_latency(problem), known)
    model.limit_latency(latency)
    model.program.at_most(0, {latency: 1, period: -most_in_flight(problem)})
    if enough is not None:
        model.program.at_most(enough / model.second, {period: 1})
    return model.program.least(period, seconds).bound * model.second


def _latency(problem: Problem, seconds: float) -> float:
    model = one_lane(problem)
    latency = model.add_time()
    model.limit_latency(latency)
    model.limit_memory(1)
    solved = model.program.least(latency, seconds).bound * model.second
    return max(solved, least_latency(problem))


def _memory(problem: Problem, seconds: float) -> float:
    model = one_lane(problem)
    need = model.add_time()
    model.limit_memory(1)
    model.limit_need(1, need)
    return model.program.least(need, seconds).bound * model.byte
