"""Lower bounds on period and latency of every placement, by relaxations that solve quickly."""

import numpy as np

from edgeseg.planning.clock import NEVER, Deadline
from edgeseg.planning.exact.formulation import any_lanes
from edgeseg.planning.exact.latency_constraints import limit_latency
from edgeseg.planning.exact.load_constraints import limit_busy
from edgeseg.planning.exact.memory_constraints import limit_in_flight, limit_memory
from edgeseg.planning.problem.arrays import arrays_of
from edgeseg.planning.problem.problem import Problem

_MOST_SECONDS = 10.0
"""More than a relaxation takes to solve, unless it has hundreds of pieces."""

_ROUNDS = 3
"""How often a bound on the period is used to tighten itself."""


def least_period(problem: Problem, deadline: Deadline = NEVER) -> float:
    """Return a lower bound on the seconds between two slices, for lanes that may share boards.

    Pieces may be split between boards and stored in part, so memory hardly bounds it. Without
    time for the relaxation the bound is that of :func:`least_work`.

    Parameters
    ----------
    problem
        P pieces and B boards.
    deadline
        When to stop.

    Returns
    -------
    float
        Infinite where the boards together lack memory.
    """
    period = least_work(problem)
    for _ in range(_ROUNDS):
        seconds = min(deadline.seconds_left, _MOST_SECONDS)
        if seconds <= 0:
            break
        period = max(period, _relaxed_period(problem, period, seconds))
    return period


def least_work(problem: Problem) -> float:
    """Return the seconds between slices if each piece ran where it is quickest, all cores busy."""
    t = arrays_of(problem)
    return float(t.seconds.min(axis=1).sum() / t.cores.sum())


def least_latency(problem: Problem) -> float:
    """Return the seconds of the longest path, each piece on the board that is quickest for it."""
    t = arrays_of(problem)
    quickest = t.seconds.min(axis=1)
    starts, ends = np.zeros((2, len(problem.pieces)))
    image = (t.wire[:, None] / np.minimum(t.up[-1], t.down[:-1]) + t.delay[:-1]).min(axis=1)
    for piece, seconds in enumerate(quickest):
        for number, flow in enumerate(problem.flows):
            if piece in flow.readers:
                received = image[number] + t.delay[-1]
                ready = received if flow.producer is None else ends[flow.producer]
                starts[piece] = max(starts[piece], ready)
        ends[piece] = starts[piece] + seconds
    back = (t.wire[:, None] / np.minimum(t.up[:-1], t.down[-1]) + t.delay[:-1]).min(axis=1)
    return max(
        float(ends[flow.producer] + back[number] + t.delay[-1])
        for number, flow in enumerate(problem.flows)
        if flow.returns and flow.producer is not None
    )


def most_in_flight(problem: Problem) -> int:
    """Return the most slices in flight that all boards together hold, each tensor stored once."""
    t = arrays_of(problem)
    available = float((t.limit - t.base).clip(0).sum() - t.resident.sum())
    return int(available // max(float(t.held.sum()), 1.0))


def _relaxed_period(problem: Problem, at_least: float, seconds: float) -> float:
    """Return the bound of the relaxation, given a bound that is known."""
    model = any_lanes(problem)
    period, latency = model.add_unbounded(), model.add_unbounded()
    limit_busy(model, period)
    limit_memory(model, 1)
    limit_in_flight(model, period, least_latency(problem), at_least)
    limit_latency(model, latency)
    model.program.at_most(0, {latency: 1, period: -most_in_flight(problem)})
    return model.program.minimum(period, seconds).bound * model.second
