"""The three objectives as one number a placement: the less the better."""

from typing import Literal, TypeAlias

import numpy as np

from edgeseg.planning.outcome.latency import latencies
from edgeseg.planning.outcome.load import Loads, loads_of
from edgeseg.planning.problem.arrays import Assignments, Floats, arrays_of
from edgeseg.planning.problem.problem import Problem

Objective: TypeAlias = Literal["throughput", "latency", "memory"]
"""Most slices a second, fewest seconds a slice, or smallest largest board."""

INFEASIBLE = 1e18
"""Cost of an assignment without room for one slice: far above any other."""

_POWER = 12
"""Of the norm that stands for a maximum where the search must see what is next to busiest."""


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
    assignment that doesn't fit costs ``LACKING`` times one plus what it lacks as a part of the
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
        Replace the maximum over boards and links by a norm that is never less: it falls when
        what is next to busiest gets less busy, so that a search does not stop on a plateau.
    below
        A cost at or above it may come out as any number that is at least this: less work.
    """
    limit, loads = arrays_of(problem).limit, loads_of(problem, assignments)
    window = loads.window(limit)
    fits = window >= 1
    if objective == "memory":
        cost = _largest(loads.memory(1), smooth)
    elif objective == "latency":
        cost = np.full(len(assignments), np.inf)
        cost[fits] = latencies(problem, assignments[fits])
    else:
        cost = _largest(_busy(loads), smooth)
        close = fits & (cost < below)
        if close.any():
            stalls = latencies(problem, assignments[close]) / window[close]
            cost[close] = np.maximum(cost[close], stalls)
    lack = loads.excess(limit) / max(float(limit.max()), 1.0)
    return np.where(fits, cost, INFEASIBLE * (1 + np.maximum(lack, 0.0)))


def _busy(loads: Loads) -> Floats:
    return np.concatenate([loads.compute, loads.up, loads.down], axis=1)


def _largest(values: Floats, smooth: bool) -> Floats:
    """Return the maximum of each row, or the norm that stands for it."""
    top = values.max(axis=1)
    if not smooth:
        return np.asarray(top, float)
    parts = values / np.maximum(top, np.finfo(float).tiny)[:, None]
    return np.asarray(top * (parts**_POWER).sum(axis=1) ** (1 / _POWER), float)
