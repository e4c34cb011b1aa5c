"""The data of the drawings of a run: what each machine does when, and the largest figures."""

from dataclasses import dataclass

from edgeseg.planning.outcome.gantt import BusyInterval
from edgeseg.planning.outcome.prediction import COORDINATOR
from edgeseg.planning.outcome.simulation import timeline
from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.coded import coded_problem
from edgeseg.planning.problem.problem import Problem
from edgeseg_runtime.results.run_report import BoardReport, RunReport

_SLICES = 3


@dataclass(frozen=True)
class Track:
    """One line in time: a core or one way of a link, and its busy intervals."""

    machine: str
    part: str
    bars: tuple[BusyInterval, ...]


@dataclass(frozen=True)
class LaneTimeline:
    """The busiest lane of a plan in time: the one with the most boards.

    Attributes
    ----------
    lanes
        How many lanes the plan has.
    seconds
        From the start of the first interval to the end of the last.
    slices
        How many slices are followed.
    """

    lanes: int
    tracks: tuple[Track, ...]
    seconds: float
    slices: int = _SLICES


def lane_timeline(problem: Problem, plan: Plan) -> LaneTimeline:
    """Return the timeline of three slices through the lane with the most boards, as planned."""
    lane = max(plan.lanes, key=lambda lane: len(lane.members))
    bars = timeline(coded_problem(problem, plan.lanes), lane, _SLICES)
    machines = (COORDINATOR, *lane.members)
    places = sorted(
        {(bar.machine, bar.part) for bar in bars},
        key=lambda place: (
            machines.index(place[0]),
            place[1] == "down",
            place[1] == "up",
            place[1],
        ),
    )
    tracks = tuple(
        Track(
            machine,
            part,
            tuple(bar for bar in bars if (bar.machine, bar.part) == (machine, part)),
        )
        for machine, part in places
    )
    return LaneTimeline(len(plan.lanes), tracks, max(bar.end for bar in bars))


def mean_times(report: RunReport) -> dict[tuple[str, str], float]:
    """Return the mean milliseconds of every board's pieces, by (board, piece)."""
    return {(piece.board, piece.name): piece.mean_ms for piece in report.pieces if piece.runs}


def largest_memory(boards: tuple[BoardReport, ...]) -> int:
    """Return the largest of the boards' limits, planned peaks and measured peaks, in bytes."""
    return max(
        max(board.memory_limit_bytes, board.peak_memory_bytes, board.planned.peak_memory_bytes)
        for board in boards
    )


def longest_busy(report: RunReport) -> float:
    """Return the longest busy time of a board in seconds, planned times included if measured."""
    from_measurements = not report.planned_from_estimates
    return max(
        max(board.busy_seconds, from_measurements * board.planned.busy_seconds)
        for board in report.boards
    )
