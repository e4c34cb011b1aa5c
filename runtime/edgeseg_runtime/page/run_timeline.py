"""How a run is drawn: which board has which piece, what happens when, planned and measured."""

from dataclasses import dataclass

from edgeseg.planning.outcome.gantt import BusyInterval
from edgeseg.planning.outcome.prediction import COORDINATOR
from edgeseg.planning.outcome.simulation import timeline
from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.problem import Problem
from edgeseg_runtime.results.run_report import BoardReport, RunReport

_SLICES = 3


@dataclass(frozen=True)
class Track:
    """One line in time: a core, or one way of a link, and what it does."""

    machine: str
    part: str
    bars: tuple[BusyInterval, ...]


@dataclass(frozen=True)
class LaneTimeline:
    """A lane in time.

    Attributes
    ----------
    lanes
        How many lanes the plan has; this is the one of the most boards.
    seconds
        From the first bar's begin to the last one's end.
    """

    lanes: int
    tracks: tuple[Track, ...]
    seconds: float
    slices: int = _SLICES


def course(problem: Problem, plan: Plan) -> LaneTimeline:
    """Follow three slices through the lane of the most boards, as planned.

    Parameters
    ----------
    problem, plan
        What was planned, and the plan.
    """
    lane = max(plan.lanes, key=lambda lane: len(lane.members))
    bars = timeline(problem, lane, _SLICES)
    machines = (COORDINATOR, *lane.members)
    places = sorted(
        {(bar.machine, bar.part) for bar in bars},
        key=lambda at: (machines.index(at[0]), at[1] == "down", at[1] == "up", at[1]),
    )
    tracks = tuple(
        Track(machine, part, tuple(bar for bar in bars if (bar.machine, bar.part) == at))
        for at in places
        for machine, part in (at,)
    )
    return LaneTimeline(len(plan.lanes), tracks, max(bar.end for bar in bars))


def times(report: RunReport) -> dict[tuple[str, str], float]:
    """Return the mean milliseconds of every board's pieces, by (board, piece)."""
    return {(piece.board, piece.name): piece.mean_ms for piece in report.pieces if piece.runs}


def most_memory(boards: tuple[BoardReport, ...]) -> int:
    """Return the largest of what boards may take, were planned to take, and took, in bytes."""
    return max(
        max(board.memory_limit_bytes, board.peak_memory_bytes, board.planned.peak_memory_bytes)
        for board in boards
    )


def most_busy(report: RunReport) -> float:
    """Return the longest time that a board was, or was well known to be, busy, in seconds."""
    known = not report.planned_from_estimates
    return max(
        max(board.busy_seconds, known * board.planned.busy_seconds) for board in report.boards
    )
