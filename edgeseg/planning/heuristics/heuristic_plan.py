"""A plan without a proof: what the heuristics find, in the same way each time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgeseg.boards.placement import Lane
from edgeseg.planning.heuristics.baselines import (
    EvaluatedPlacement,
    contiguous_lanes,
    evaluate_placement,
    whole_slice_lanes,
)
from edgeseg.planning.heuristics.board_groups import group_boards
from edgeseg.planning.heuristics.local_search import local_search
from edgeseg.planning.outcome.feasibility import usable_boards
from edgeseg.planning.outcome.prediction import assignments_of
from edgeseg.planning.outcome.simulation import simulated
from edgeseg.planning.problem.arrays import Assignments, arrays_of
from edgeseg.planning.problem.problem import Problem

_MOST_SEARCHED = 256
"""Pieces times boards of problems that are searched; of larger ones one look is taken."""


def heuristic_plans(
    problem: Problem, starts: Sequence[Mapping[str, str]] = ()
) -> tuple[EvaluatedPlacement, ...]:
    """Return the placements that heuristics find for throughput, the best first.

    Their rates are those of slices that were followed through them. Unlike
    :func:`edgeseg.planning.planner.plan` they look at no clock, so that what is compiled for the
    best of them is the same each time.

    Parameters
    ----------
    problem
        P pieces and B boards.
    starts
        Boards by piece, from which to search besides.

    Raises
    ------
    PlacementError
        If a piece fits on no board.

    Returns
    -------
    tuple of EvaluatedPlacement
        Empty where nothing was found that fits; the simpler one first where two cost the same.
    """
    part = problem.only(usable_boards(problem))
    small = len(part.pieces) * len(part.boards) <= _MOST_SEARCHED
    begun = assignments_of(part, [Lane(start, 1) for start in starts]) if starts else ()
    found = _searched(part, tuple(begun)) if small else _at_a_look(part)
    rows = {"whole": whole_slice_lanes(part, "throughput"), **found}
    tried = (evaluate_placement(part, name, lanes, "throughput") for name, lanes in rows.items())
    seen = (replace(one, prediction=simulated(part, one.lanes)) for one in tried if one is not None)
    return tuple(sorted(seen, key=rounded_period))


def rounded_period(one: EvaluatedPlacement) -> float:
    """Return the seconds between two slices but for rounding, so that equal ones compare equal."""
    return float(f"{one.cost('throughput'):.9g}")


def earliest_finish(problem: Problem) -> Assignments:
    """Put each piece, in order, where it is done first, as long as there is room; shape (P,).

    Cores of a board are taken as one, and links as free; the result may not fit.
    """
    t = arrays_of(problem)
    home = np.full(len(problem.flows), len(problem.boards))  # of a tensor: who makes it
    done = np.zeros(len(problem.flows))
    there = np.full((len(problem.flows), len(problem.boards)), np.inf)
    room, free = t.limit - t.base, np.zeros(len(problem.boards))
    chosen = np.zeros(len(problem.pieces), np.int64)
    for piece, seconds in enumerate(t.seconds):
        read, made = t.read[:, piece] > 0, t.made[:, piece] > 0
        sent = done[:, None] + t.wire[:, None] / np.minimum(t.up[home][:, None], t.down[:-1])
        arrival = np.minimum(there, sent)
        end = np.maximum(free, arrival[read].max(axis=0, initial=0.0)) + seconds
        new = (np.isinf(there) * t.held[:, None])[read | made].sum(axis=0)
        fits = np.maximum(t.peak[piece], t.resident[piece] + new) <= room
        board = int(np.where(fits, end, np.inf).argmin())
        chosen[piece], free[board] = board, end[board]
        room[board] -= t.resident[piece] + new[board]
        there[read, board] = arrival[read, board]
        there[made, board] = done[made] = end[board]
        home[made] = board
    return chosen


def _searched(problem: Problem, starts: tuple[Assignments, ...]) -> dict[str, list[Assignments]]:
    mixed = group_boards(problem, lambda some: local_search(some, "throughput", quick=True))
    return {
        "contiguous": contiguous_lanes(problem, "throughput"),
        "folded": [local_search(problem, "throughput", starts)],
        "mixed": mixed.lanes(),
    }


def _at_a_look(problem: Problem) -> dict[str, list[Assignments]]:
    return {"folded": [earliest_finish(problem)]}
