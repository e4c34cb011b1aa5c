"""The cost of assignments by objective: the less the better."""

from typing import Literal, TypeAlias

import numpy as np

from edgeseg.planning.outcome.latency import latencies
from edgeseg.planning.outcome.load import Loads, loads_of
from edgeseg.planning.problem.arrays import Assignments, Floats, arrays_of
from edgeseg.planning.problem.problem import Problem

Objective: TypeAlias = Literal["throughput", "latency", "memory"]
"""Most slices a second, fewest seconds a slice, or smallest largest board."""

INFEASIBLE = 1e18
"""Cost of an assignment that does not fit: far above any other."""

_POWER = 12
"""Exponent of the norm that replaces the maximum, so that searches see what is next to busiest."""


def costs(
    problem: Problem,
    assignments: Assignments,
    objective: Objective,
    *,
    smooth: bool = False,
    below: float = np.inf,
) -> Floats:
    """Return what each assignment costs as a lane of its own, shape (N,).

    Seconds between two slices, seconds of one slice, or bytes of the board that needs most. An
    assignment that does not fit costs ``INFEASIBLE``, times one plus its excess as a part of the
    largest limit, so that a search finds its way to one that fits.

    Parameters
    ----------
    problem
        P pieces and B boards.
    assignments
        Board numbers, shape (N, P).
    objective
        What counts.
    smooth
        Replace the maximum over boards and links by a norm that is never less. It also falls when
        what is next to busiest gets less busy, so that a search does not stop on a plateau.
    below
        Costs at or above this may be any number that is at least this, which saves work.
    """
    limit, loads = arrays_of(problem).limit, loads_of(problem, assignments)
    in_flight = loads.in_flight(limit)
    fits = in_flight >= 1
    if objective == "memory":
        cost = _largest(loads.memory(1), smooth)
    elif objective == "latency":
        cost = np.full(len(assignments), np.inf)
        cost[fits] = latencies(problem, assignments[fits])
    else:
        cost = _largest(_busy(loads), smooth)
        close = fits & (cost < below)
        if close.any():
            stalls = latencies(problem, assignments[close]) / in_flight[close]
            cost[close] = np.maximum(cost[close], stalls)
    excess = loads.excess(limit) / max(float(limit.max()), 1.0)
    return np.where(fits, cost, INFEASIBLE * (1 + np.maximum(excess, 0.0)))


def _busy(loads: Loads) -> Floats:
    """Return the seconds a slice of all cores and link directions, side by side."""
    return np.concatenate([loads.compute, loads.up, loads.down], axis=1)


def _largest(values: Floats, smooth: bool) -> Floats:
    """Return the maximum of each row, or the norm that replaces it, (N,)."""
    largest = values.max(axis=1)
    if not smooth:
        return np.asarray(largest, float)
    ratios = values / np.maximum(largest, np.finfo(float).tiny)[:, None]
    return np.asarray(largest * (ratios**_POWER).sum(axis=1) ** (1 / _POWER), float)
