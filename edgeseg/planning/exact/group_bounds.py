"""Proof and improvement of a division into lanes: which group must be looked at more closely."""

import time
from collections import Counter

import numpy as np

from edgeseg.planning.exact.lower_bounds import least_work
from edgeseg.planning.exact.milp import LinearProgram
from edgeseg.planning.exact.solve import BRANCHING, branch_in_steps, solve_lane
from edgeseg.planning.heuristics.board_groups import (
    BoardGroups,
    Counts,
    best_division,
    candidate_groups,
    has_room,
)

_CLOSE = 1e-4
"""A gap between rates that needs no more work."""

_TURNS = ((0.5, 0.0), (0.5, BRANCHING), (1.0, 0.0))
"""Part of the time for a group, and of that for branch and bound, after so many failures.

HiGHS has the first turn, for branching has had its look at every group that is open.
"""

_START = 0.3
"""Part of the time for a group where there are too many for all to be looked at."""

_LEAST_SECONDS = 0.1
"""Time in which nothing would come of a search."""

_GLANCE = 0.1
"""Part of the time for a first look at a group."""

_WORTHWHILE = 1 + 1e-5
"""What a better lane must bring at least, over the one that is known."""


def refine_groups(groups: BoardGroups, deadline: float) -> float:
    """Improve the groups until none is better or time is up; return a bound on all their rates.

    Every group has a rate that it cannot exceed. Of the division that would be best if all
    reached it, the group with the most to lose is searched for a lane that would make this
    division better than the best known: either there is one, or its bound falls.

    Parameters
    ----------
    groups
        What is known; better lanes are entered.
    deadline
        When to stop, as ``time.monotonic`` counts.

    Returns
    -------
    float
        Slices a second that no lanes exceed of which each board is in at most one.
    """
    failed: Counter[Counts] = Counter()
    if not groups.complete:
        for counts in dict.fromkeys(groups.best):
            left = deadline - time.monotonic()
            _improve(groups, counts, left * _START, np.inf, BRANCHING)
        return np.inf
    highest = _at_prices(groups, deadline)
    while True:
        chosen = best_division(groups.full, highest)
        possible = sum(highest[counts] for counts in chosen)
        known = groups.rate
        slack = {
            counts: highest[counts] - max(groups.rates.get(counts, 0.0), known - rest, 0.0)
            for counts in chosen
            for rest in [possible - highest[counts]]
        }
        open_groups = [counts for counts in chosen if slack[counts] > _CLOSE * possible]
        left = deadline - time.monotonic()
        if not open_groups or left <= _LEAST_SECONDS:
            return possible
        widest = min(open_groups, key=lambda counts: (failed[counts], sum(counts)))
        lowest = highest[widest] - slack[widest]
        share, branching = _TURNS[min(failed[widest], len(_TURNS) - 1)]
        below = 1 / max(lowest, highest[widest] / 2)
        bound = _improve(groups, widest, left * share, below, branching)
        reached = min(highest[widest], 1 / bound if bound > 0 else np.inf)
        failed[widest] += reached > highest[widest] * (1 - _CLOSE)
        highest[widest] = reached


def _at_prices(groups: BoardGroups, deadline: float) -> dict[Counts, float]:
    """Return a rate that each group cannot exceed: what its boards are worth, where that holds.

    Boards of a kind are worth what they bring in the best division that may use parts of
    groups. If no group is worth more than its boards, no division is.
    """
    worth = _prices(groups)
    highest = {}
    for counts in candidate_groups(groups.full):
        part = groups.part(counts)
        highest[counts] = 1 / least_work(part) if has_room(part) else 0.0
        price = float(np.dot(counts, worth))
        if 0 < price < highest[counts]:
            seconds = (deadline - time.monotonic()) * _GLANCE
            known = groups.assignments.get(counts)
            found = branch_in_steps(part, known, "throughput", seconds, 1 / price)
            if found.assignment is not None:
                groups.enter(counts, found.assignment)
            if found.bound > 0:
                highest[counts] = min(highest[counts], 1 / found.bound)
    return highest


def _prices(groups: BoardGroups) -> list[float]:
    """Return slices a second that a board of each kind is worth."""
    program = LinearProgram()
    total = program.variable(np.inf)
    worth = [program.variable(np.inf) for _ in groups.full]
    program.at_most(0, {total: -1, **dict(zip(worth, groups.full, strict=True))})
    for counts, rate in groups.rates.items():
        held = zip(worth, counts, strict=True)
        program.at_most(-rate * _WORTHWHILE, {price: -count for price, count in held})
    values = program.least(total, _LEAST_SECONDS).values
    return [0.0] * len(worth) if values is None else [values[price] for price in worth]


def _improve(
    groups: BoardGroups, counts: Counts, seconds: float, below: float, branching: float
) -> float:
    """Enter a better lane of one group if there is one; return the least period it may have."""
    known = groups.assignments.get(counts)
    found = solve_lane(groups.part(counts), known, "throughput", seconds, below, branching)
    if found.assignment is not None:
        groups.enter(counts, found.assignment)
    return found.bound
