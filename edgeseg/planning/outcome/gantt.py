"""What a picture in time is made of, and those of a board whose pieces take turns in memory."""

from dataclasses import dataclass

from edgeseg.boards.placement import Lane
from edgeseg.planning.outcome.time_sharing import load_seconds
from edgeseg.planning.problem.problem import Problem

LOADING = "loading"
"""What a board does between two groups of pieces."""


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
    """Follow slices through a lane in shifts: each group is loaded and runs on all of them.

    Images and masks take next to no time; a piece runs on all cores of the board.

    Parameters
    ----------
    problem
        Pieces and boards.
    lane
        Of one board.
    slices
        How many to follow.

    Returns
    -------
    tuple of BusyInterval
        In the order in which they begin.
    """
    (name,) = lane.members
    number = [board.name for board in problem.boards].index(name)
    works = {piece.name: piece for piece in problem.pieces}
    bars: list[BusyInterval] = []
    now = 0.0
    for shift in lane.shifts:
        load = sum(load_seconds(works[piece].resident_bytes) for piece in shift)
        steps = [(0, LOADING, load)] + [
            (index, piece, works[piece].seconds[number] / problem.boards[number].cores)
            for index in range(slices)
            for piece in shift
        ]
        for index, what, seconds in steps:
            part = LOADING if what == LOADING else "cores"
            bars.append(BusyInterval(name, part, index, what, now, now + seconds))
            now += seconds
    return tuple(bars)
