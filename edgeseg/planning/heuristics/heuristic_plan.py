"""Plans by heuristics alone, without a clock or a proof: the same each time."""

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
"""Pieces times boards up to which problems are searched; larger ones are list-scheduled."""


def heuristic_plans(
    problem: Problem, starts: Sequence[Mapping[str, str]] = ()
) -> tuple[EvaluatedPlacement, ...]:
    """Return the placements that heuristics find for throughput, the best first.

    Their rates are simulated. Unlike :func:`edgeseg.planning.plan` this has no time limit, so
    that what is compiled for the best placement is the same each time.

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
        Empty where none was found that fits; of two with the same cost the simpler one first.
    """
    usable = problem.only(usable_boards(problem))
    rows = {"whole": whole_slice_lanes(usable, "throughput")}
    if len(usable.pieces) * len(usable.boards) <= _MOST_SEARCHED:
        lanes = [Lane(start, 1) for start in starts]
        rows |= _searched(usable, tuple(assignments_of(usable, lanes)) if lanes else ())
    else:
        rows["folded"] = [earliest_finish(usable)]
    evaluated = (
        evaluate_placement(usable, name, lanes, "throughput") for name, lanes in rows.items()
    )
    fitting = (
        replace(placement, prediction=simulated(usable, placement.lanes))
        for placement in evaluated
        if placement is not None
    )
    return tuple(sorted(fitting, key=rounded_period))


def rounded_period(placement: EvaluatedPlacement) -> float:
    """Return the seconds between two slices, rounded so that equal placements compare equal."""
    return float(f"{placement.cost('throughput'):.9g}")


def earliest_finish(problem: Problem) -> Assignments:
    """Return a list schedule: each piece, in order, on the board where it ends first, shape (P,).

    A board counts as one core and links as idle. A board without memory for a piece is passed
    over as long as another has some, so the result may not fit.
    """
    t = arrays_of(problem)
    home = np.full(len(problem.flows), len(problem.boards))  # the machine that has each flow first
    produced = np.zeros(len(problem.flows))
    arrival = np.full((len(problem.flows), len(problem.boards)), np.inf)
    available, idle = t.limit - t.base, np.zeros(len(problem.boards))
    assignment = np.zeros(len(problem.pieces), np.int64)
    for piece, seconds in enumerate(t.seconds):
        reads, produces = t.read_by[:, piece] > 0, t.produced_by[:, piece] > 0
        rates = np.minimum(t.up[home][:, None], t.down[:-1])
        earliest = np.minimum(arrival, produced[:, None] + t.wire[:, None] / rates)
        end = np.maximum(idle, earliest[reads].max(axis=0, initial=0.0)) + seconds
        added = (np.isinf(arrival) * t.held[:, None])[reads | produces].sum(axis=0)
        fits = np.maximum(t.peak[piece], t.resident[piece] + added) <= available
        board = int(np.where(fits, end, np.inf).argmin())
        assignment[piece], idle[board] = board, end[board]
        available[board] -= t.resident[piece] + added[board]
        arrival[reads, board] = earliest[reads, board]
        arrival[produces, board] = produced[produces] = end[board]
        home[produces] = board
    return assignment


def _searched(problem: Problem, starts: tuple[Assignments, ...]) -> dict[str, list[Assignments]]:
    """Return the lanes of each kind of search, by its name."""
    mixed = group_boards(problem, lambda members: local_search(members, "throughput", quick=True))
    return {
        "contiguous": contiguous_lanes(problem, "throughput"),
        "folded": [local_search(problem, "throughput", starts)],
        "mixed": mixed.lanes(),
    }
