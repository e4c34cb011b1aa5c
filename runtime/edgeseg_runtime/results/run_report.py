"""What a run says of itself: placement, memory against limits, times, bytes on the wire."""

from collections.abc import Mapping

import msgspec

from edgeseg.boards.boards_file import Board
from edgeseg.boards.placement import Placement
from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg.planning.outcome.prediction import Prediction
from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.problem import Problem
from edgeseg.planning.view.report import slowdown
from edgeseg_runtime.messaging.wire import PieceTime, Pong


class BoardWork(msgspec.Struct, frozen=True):
    """What a run takes of a board: seconds of its cores together, memory, bytes on its link."""

    busy_seconds: float
    peak_memory_bytes: int
    sent_bytes: int
    received_bytes: int


class BoardReport(msgspec.Struct, frozen=True):
    """One board: what it ran, within which memory, and what that took and was planned to take."""

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

    In ``shifts`` the groups of pieces take turns in memory, and a slice should take ``slower``
    times as long as with all of them there.
    """

    pieces: dict[str, str]
    window: int
    shifts: tuple[tuple[str, ...], ...] = ()
    slower: float = 1.0


class PieceRunReport(msgspec.Struct, frozen=True):
    """One piece on one board: how often it ran and how long a run took."""

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

    ``planned_from_estimates`` says that planning knew FLOPs and no measured times. Placements are
    counted by ``epochs``; ``replayed_slices`` were sent again because one ended, and
    ``resumed_slices`` were done before the run began.
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
    note: str = RESEARCH_NOTE


_NOTHING_PLANNED = BoardWork(0.0, 0, 0, 0)
_NOTHING_DONE = Pong(0, 0, 0, {})


def work_between(before: Pong, after: Pong) -> Pong:
    """Return what a board did between two answers; the peak of memory is that of its life."""
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


def work_sum(one: Pong, other: Pong) -> Pong:
    """Return what a board did in two epochs."""
    pieces = dict.fromkeys((*one.piece_times, *other.piece_times))
    none = PieceTime()
    return Pong(
        peak_memory_bytes=max(one.peak_memory_bytes, other.peak_memory_bytes),
        sent_bytes=one.sent_bytes + other.sent_bytes,
        received_bytes=one.received_bytes + other.received_bytes,
        piece_times={
            name: _plus(one.piece_times.get(name, none), other.piece_times.get(name, none))
            for name in pieces
        },
    )


def _plus(one: PieceTime, other: PieceTime, sign: int = 1) -> PieceTime:
    return PieceTime(
        one.runs + sign * other.runs,
        one.seconds + sign * other.seconds,
        one.busy_seconds + sign * other.busy_seconds,
    )


def planned_work(problem: Problem, does: Prediction, slices: int) -> dict[str, BoardWork]:
    """Return what a run of so many slices should take of each board, by name."""
    return {
        board.name: BoardWork(
            busy_seconds=slices * board.cores * does.compute[board.name],
            peak_memory_bytes=does.memory.get(board.name, 0),
            sent_bytes=round(slices * does.up[board.name] * link.up),
            received_bytes=round(slices * does.down[board.name] * link.down),
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
    """Describe every board after a run."""
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
            busy_seconds=sum(t.busy_seconds for t in fared.piece_times.values()),
            peak_memory_bytes=fared.peak_memory_bytes,
            sent_bytes=fared.sent_bytes,
            received_bytes=fared.received_bytes,
            versions=versions[board.name],
            left_out=placement.left_out.get(board.name),
        )
        for board in boards
        for fared in (pongs.get(board.name, _NOTHING_DONE),)
    )


def piece_reports(pongs: Mapping[str, Pong]) -> tuple[PieceRunReport, ...]:
    """Describe the pieces that have run, board by board."""
    return tuple(
        PieceRunReport(piece, board, times.runs, 1e3 * times.seconds / max(times.runs, 1))
        for board, pong in pongs.items()
        for piece, times in pong.piece_times.items()
    )


def lane_reports(problem: Problem, plan: Plan) -> tuple[LaneReport, ...]:
    """Describe the lanes of a plan."""
    return tuple(
        LaneReport(dict(lane.boards), lane.window, lane.shifts, slowdown(problem, lane, rate))
        for lane, rate in zip(plan.lanes, plan.prediction.lane_rates, strict=True)
    )
