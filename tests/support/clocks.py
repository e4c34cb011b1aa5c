"""Clocks without time, so that searches with a time limit do the same each time."""

import itertools

from edgeseg.planning.clock import Clock


def ticking_clock(step: float = 1e-3) -> Clock:
    """Return a clock that moves on by so many seconds each time it is read."""
    reads = itertools.count()
    return lambda: next(reads) * step
