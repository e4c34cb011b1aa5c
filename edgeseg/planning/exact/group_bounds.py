"""Bounds on the rates of groups of boards, tightened until a division into lanes is proven best."""

from collections import Counter

import numpy as np

from edgeseg.planning.clock import Deadline
from edgeseg.planning.exact.lower_bounds import least_work
from edgeseg.planning.exact.milp import LinearProgram
from edgeseg.planning.exact.solve import BRANCHING, branch_in_steps, solve_lane
from edgeseg.planning.heuristics.board_groups import (
    BoardGroups,
    Counts,
    best_division,
    candidate_groups,
    has_memory,
)

_CLOSE = 1e-4
"""Relative gap between rates that is not worth closing."""

_TURNS = ((0.5, 0.0), (0.5, BRANCHING), (1.0, 0.0))
"""Share of the time for a group, and of that for branch and bound, by number of failures.

HiGHS has the first turn, because branch and bound has already looked at every open group.
"""

_UNPROVEN_SHARE = 0.3
"""Share of the time for each group where there are too many groups to look at all."""

_LEAST_SECONDS = 0.1
"""Less time than this is not worth a search."""

_GLANCE = 0.1
"""Share of the time for the first look at a group."""

_WORTHWHILE = 1 + 1e-5
"""Factor by which a lane must be better than the one known."""


def refine_groups(groups: BoardGroups, deadline: Deadline) -> float:
    """Improve the lanes of the groups until none can be improved or time is up.

    Every group has an upper bound on its rate. Of the division that would be best if every group
    reached its bound, the group with the widest gap is searched for a lane that makes this
    division better than the best known one: either there is one, or the bound falls.

    Parameters
    ----------
    groups
        The groups and the lanes known for them; better lanes are entered.
    deadline
        When to stop.

    Returns
    -------
    float
        Upper bound on the slices a second of any lanes that share no board; infinite where there
        are too many groups to look at all.
    """
    if not groups.complete:
        for counts in dict.fromkeys(groups.best):
            _improve(groups, counts, np.inf, BRANCHING, deadline.within(_UNPROVEN_SHARE))
        return np.inf
    failures: Counter[Counts] = Counter()
    highest = _initial_bounds(groups, deadline)
    while True:
        division = best_division(groups.full, highest)
        possible = sum(highest[counts] for counts in division)
        gaps = _gaps(groups, division, highest)
        open_groups = [counts for counts in division if gaps[counts] > _CLOSE * possible]
        if not open_groups or deadline.seconds_left <= _LEAST_SECONDS:
            return possible
        widest = min(open_groups, key=lambda counts: (failures[counts], sum(counts)))
        lowest = highest[widest] - gaps[widest]
        share, branching = _TURNS[min(failures[widest], len(_TURNS) - 1)]
        below = 1 / max(lowest, highest[widest] / 2)
        period = _improve(groups, widest, below, branching, deadline.within(share))
        bound = min(highest[widest], 1 / period if period > 0 else np.inf)
        failures[widest] += bound > highest[widest] * (1 - _CLOSE)
        highest[widest] = bound


def _gaps(
    groups: BoardGroups, division: tuple[Counts, ...], highest: dict[Counts, float]
) -> dict[Counts, float]:
    """Return how far the bound of each group is above the rate that would matter."""
    possible, best_rate = sum(highest[counts] for counts in division), groups.rate
    gaps = {}
    for counts in division:
        others = possible - highest[counts]
        rate = max(groups.rates.get(counts, 0.0), best_rate - others, 0.0)
        gaps[counts] = highest[counts] - rate
    return gaps


def _initial_bounds(groups: BoardGroups, deadline: Deadline) -> dict[Counts, float]:
    """Return an upper bound on the rate of each group: the price of its boards, where that holds.

    The price of a kind of boards is its dual value in the best division that may use fractions
    of groups. If no group has a rate above the price of its boards, no division does.
    """
    prices = _prices(groups)
    highest = {}
    for counts in candidate_groups(groups.full):
        members = groups.part(counts)
        highest[counts] = 1 / least_work(members) if has_memory(members) else 0.0
        price = float(np.dot(counts, prices))
        if 0 < price < highest[counts]:
            start = groups.assignments.get(counts)
            glance = deadline.within(_GLANCE)
            result = branch_in_steps(members, start, "throughput", 1 / price, glance)
            if result.assignment is not None:
                groups.enter(counts, result.assignment)
            if result.bound > 0:
                highest[counts] = min(highest[counts], 1 / result.bound)
    return highest


def _prices(groups: BoardGroups) -> list[float]:
    """Return the slices a second that a board of each kind is worth."""
    program = LinearProgram()
    total = program.variable(np.inf)
    prices = [program.variable(np.inf) for _ in groups.full]
    program.at_most(0, {total: -1, **dict(zip(prices, groups.full, strict=True))})
    for counts, rate in groups.rates.items():
        members = zip(prices, counts, strict=True)
        program.at_most(-rate * _WORTHWHILE, {price: -count for price, count in members})
    values = program.minimum(total, _LEAST_SECONDS).values
    return [0.0] * len(prices) if values is None else [values[price] for price in prices]


def _improve(
    groups: BoardGroups, counts: Counts, below: float, branching: float, deadline: Deadline
) -> float:
    """Enter a better lane of one group if there is one; return a lower bound on its period."""
    start = groups.assignments.get(counts)
    result = solve_lane(groups.part(counts), start, "throughput", deadline, below, branching)
    if result.assignment is not None:
        groups.enter(counts, result.assignment)
    return result.bound
