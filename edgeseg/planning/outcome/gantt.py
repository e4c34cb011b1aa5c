"""Intervals of a Gantt chart, and those of a board whose pieces share its memory in time."""

from dataclasses import dataclass

from edgeseg.boards.placement import Lane
from edgeseg.planning.outcome.time_sharing import load_seconds
from edgeseg.planning.problem.problem import Problem

LOADING = "loading"
"""What a board does while it loads a group of pieces."""


@dataclass(frozen=True)
class BusyInterval:
    """A core, or one way of a link, at work on a slice.

    Parameters
    ----------
    machine
        Name of the board, or ``coordinator``.
    part
        ``core 1`` and so on, ``up`` or ``down``.
    index
        Number of the slice.
    what
        The piece that runs or the tensor that travels.
    start, end
        Seconds since the first slice departed.
    """

    machine: str
    part: str
    index: int
    what: str
    start: float
    end: float


def time_sharing_intervals(problem: Problem, lane: Lane, slices: int) -> tuple[BusyInterval, ...]:
    """Return when a time-shared lane is busy: each group is loaded and runs on all slices.

    Images and masks count as taking no time; a piece runs on all cores of the board.

    Parameters
    ----------
    problem
        Pieces and boards.
    lane
        A lane of one board.
    slices
        How many there are.

    Returns
    -------
    tuple of BusyInterval
        In the order of their starts.
    """
    (name,) = lane.members
    number = [board.name for board in problem.boards].index(name)
    costs = {piece.name: piece for piece in problem.pieces}
    intervals: list[BusyInterval] = []
    now = 0.0
    for group in lane.shifts:
        load = sum(load_seconds(costs[piece].resident_bytes) for piece in group)
        steps = [(0, LOADING, load)] + [
            (index, piece, costs[piece].seconds[number] / problem.boards[number].cores)
            for index in range(slices)
            for piece in group
        ]
        for index, what, seconds in steps:
            part = LOADING if what == LOADING else "cores"
            intervals.append(BusyInterval(name, part, index, what, now, now + seconds))
            now += seconds
    return tuple(intervals)
