"""The report of a run: placement, memory against limits, times, bytes on the wire."""

from collections.abc import Mapping

import msgspec

from edgeseg.boards.boards_file import Board
from edgeseg.boards.placement import Placement
from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg.planning.outcome.prediction import Prediction
from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.problem import Problem
from edgeseg.planning.view.report import slowdown
from edgeseg.postprocess.report import NOTHING_CHANGED, PostprocessReport
from edgeseg_runtime.messaging.wire import PieceTime, Pong


class BoardWork(msgspec.Struct, frozen=True):
    """What a run takes of a board: seconds of all its cores, bytes of memory and on its link."""

    busy_seconds: float
    peak_memory_bytes: int
    sent_bytes: int
    received_bytes: int


class BoardReport(msgspec.Struct, frozen=True):
    """One board: the pieces it ran, its limits, and what that took and was planned to take."""

    name: str
    pieces: tuple[str, ...]
    cores: int
    memory_limit_bytes: int
    busy_seconds: float
    peak_memory_bytes: int
    sent_bytes: int
    received_bytes: int
    planned: BoardWork
    versions: dict[str, str]
    left_out: str | None


class LaneReport(msgspec.Struct, frozen=True):
    """One lane: the board of each piece and the slices in flight.

    ``shifts`` are groups of pieces that take turns in memory, with which a slice should take
    ``slower`` times as long as with all pieces loaded.
    """

    pieces: dict[str, str]
    window: int
    shifts: tuple[tuple[str, ...], ...] = ()
    slower: float = 1.0


class PieceRunReport(msgspec.Struct, frozen=True):
    """One piece on one board: how often it ran, and how long a run took on average."""

    name: str
    board: str
    runs: int
    mean_ms: float


class LossReport(msgspec.Struct, frozen=True):
    """A board that was lost: why, when in the run, and how long until the next slice came back."""

    board: str
    reason: str
    at_seconds: float
    recovery_seconds: float | None


class RunReport(msgspec.Struct, frozen=True):
    """A whole run, as it was planned and as it went.

    Attributes
    ----------
    edgeseg
        The version.
    slices, seconds, slices_per_second
        Slices of the scan, time from the first to the last mask, and the speed of those done.
    planned_from_estimates
        Whether the plan rests on FLOPs alone, without measured times.
    wire_bytes
        Bytes that boards and coordinator received.
    epochs
        How many placements there were.
    replayed_slices
        Slices that were sent again because a placement had ended.
    resumed_slices
        Slices that were done before the run began.
    tiles
        Inferences that a slice took: more than one where the model's field did not hold it.
    scan_notes
        What should be known about the scan, such as that its values look like no HU.
    """

    edgeseg: str
    model: str
    model_sha256: str
    slices: int
    seconds: float
    slices_per_second: float
    planned_slices_per_second: float
    planned_from_estimates: bool
    wire_bytes: int
    boards: tuple[BoardReport, ...]
    lanes: tuple[LaneReport, ...]
    pieces: tuple[PieceRunReport, ...]
    epochs: int = 1
    losses: tuple[LossReport, ...] = ()
    replayed_slices: int = 0
    resumed_slices: int = 0
    tiles: int = 1
    postprocess: PostprocessReport = NOTHING_CHANGED
    scan_notes: tuple[str, ...] = ()
    note: str = RESEARCH_NOTE


_NOTHING_PLANNED = BoardWork(0.0, 0, 0, 0)
_NOTHING_DONE = Pong(0, 0, 0, {})


def work_between(before: Pong, after: Pong) -> Pong:
    """Return the work of a board between two of its reports; the peak of memory is of its life."""
    times = {
        piece: _plus(now, before.piece_times.get(piece, PieceTime()), -1)
        for piece, now in after.piece_times.items()
    }
    return Pong(
        peak_memory_bytes=after.peak_memory_bytes,
        sent_bytes=after.sent_bytes - before.sent_bytes,
        received_bytes=after.received_bytes - before.received_bytes,
        piece_times=times,
    )


def work_sum(first: Pong, second: Pong) -> Pong:
    """Return the work of a board in two epochs together."""
    pieces = dict.fromkeys((*first.piece_times, *second.piece_times))
    none = PieceTime()
    return Pong(
        peak_memory_bytes=max(first.peak_memory_bytes, second.peak_memory_bytes),
        sent_bytes=first.sent_bytes + second.sent_bytes,
        received_bytes=first.received_bytes + second.received_bytes,
        piece_times={
            name: _plus(first.piece_times.get(name, none), second.piece_times.get(name, none))
            for name in pieces
        },
    )


def _plus(first: PieceTime, second: PieceTime, sign: int = 1) -> PieceTime:
    return PieceTime(
        first.runs + sign * second.runs,
        first.seconds + sign * second.seconds,
        first.busy_seconds + sign * second.busy_seconds,
    )


def planned_work(problem: Problem, prediction: Prediction, slices: int) -> dict[str, BoardWork]:
    """Return, by board, what a run of so many slices should take of it."""
    return {
        board.name: BoardWork(
            busy_seconds=slices * board.cores * prediction.compute[board.name],
            peak_memory_bytes=prediction.memory.get(board.name, 0),
            sent_bytes=round(slices * prediction.up[board.name] * link.up),
            received_bytes=round(slices * prediction.down[board.name] * link.down),
        )
        for board, link in zip(problem.boards, problem.links, strict=True)
    }


def board_reports(
    boards: tuple[Board, ...],
    placement: Placement,
    planned: Mapping[str, BoardWork],
    pongs: Mapping[str, Pong],
    versions: Mapping[str, dict[str, str]],
) -> tuple[BoardReport, ...]:
    """Return the report of every board after a run.

    Parameters
    ----------
    boards
        All boards that have ever answered.
    placement
        The last placement, and why boards are left out.
    planned, pongs, versions
        By board: what the run should take, its work, and what runs there.
    """
    return tuple(
        BoardReport(
            name=board.name,
            pieces=tuple(
                dict.fromkeys(
                    piece
                    for lane in placement.lanes
                    for piece, name in lane.boards.items()
                    if name == board.name
                )
            ),
            cores=board.cores,
            memory_limit_bytes=board.memory_limit,
            planned=planned.get(board.name, _NOTHING_PLANNED),
            busy_seconds=sum(time.busy_seconds for time in work.piece_times.values()),
            peak_memory_bytes=work.peak_memory_bytes,
            sent_bytes=work.sent_bytes,
            received_bytes=work.received_bytes,
            versions=versions[board.name],
            left_out=placement.left_out.get(board.name),
        )
        for board in boards
        for work in (pongs.get(board.name, _NOTHING_DONE),)
    )


def piece_reports(pongs: Mapping[str, Pong]) -> tuple[PieceRunReport, ...]:
    """Return the report of the pieces that have run, board by board."""
    return tuple(
        PieceRunReport(piece, board, times.runs, 1e3 * times.seconds / max(times.runs, 1))
        for board, pong in pongs.items()
        for piece, times in pong.piece_times.items()
    )


def lane_reports(problem: Problem, plan: Plan) -> tuple[LaneReport, ...]:
    """Return the report of the lanes of a plan."""
    return tuple(
        LaneReport(dict(lane.boards), lane.window, lane.shifts, slowdown(problem, lane, rate))
        for lane, rate in zip(plan.lanes, plan.prediction.lane_rates, strict=True)
    )
