"""What no placement can beat, whatever its lanes, by linear programs that are quickly solved."""

import time

import numpy as np

from edgeseg.planning.exact.formulation import any_lanes
from edgeseg.planning.exact.latency_constraints import limit_latency
from edgeseg.planning.exact.load_constraints import limit_busy
from edgeseg.planning.exact.memory_constraints import limit_in_flight, limit_memory
from edgeseg.planning.problem.arrays import arrays_of
from edgeseg.planning.problem.problem import Problem

_MOST_SECONDS = 10.0
"""More than a program without whole numbers takes, hundreds of pieces aside."""

_ROUNDS = 3
"""How often a bound on the period is used to sharpen itself."""


def least_period(problem: Problem, deadline: float = np.inf) -> float:
    """Return seconds between two slices that no lanes are below, not even such as share boards.

    Pieces may run and be stored in part, so memory is what bounds least. Without time for that,
    every piece runs on the board that is quickest for it.

    Parameters
    ----------
    problem
        P pieces and B boards.
    deadline
        When to stop, as ``time.monotonic`` counts.

    Returns
    -------
    float
        Infinite where the boards together have no room.
    """
    known = least_work(problem)
    for _ in range(_ROUNDS):
        left = min(deadline - time.monotonic(), _MOST_SECONDS)
        if left <= 0:
            break
        known = max(known, _relaxed_period(problem, known, left))
    return known


def least_work(problem: Problem) -> float:
    """Return the seconds between slices if every piece ran where it is quickest, all cores busy."""
    t = arrays_of(problem)
    return float(t.seconds.min(axis=1).sum() / t.cores.sum())


def least_latency(problem: Problem) -> float:
    """Return the seconds of the longest path with every piece on the quickest board for it."""
    t = arrays_of(problem)
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
    t = arrays_of(problem)
    room = float((t.limit - t.base).clip(0).sum() - t.resident.sum())
    return int(room // max(float(t.held.sum()), 1.0))


def _relaxed_period(problem: Problem, known: float, seconds: float) -> float:
    model = any_lanes(problem)
    period, latency = model.add_time(), model.add_time()
    limit_busy(model, period)
    limit_memory(model, 1)
    limit_in_flight(model, period, least_latency(problem), known)
    limit_latency(model, latency)
    model.program.at_most(0, {latency: 1, period: -most_in_flight(problem)})
    return model.program.least(period, seconds).bound * model.second
