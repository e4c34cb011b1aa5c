"""What a run says of itself: placement, memory against limits, times, bytes on the wire."""

from collections.abc import Mapping

import msgspec

from edgeseg.boards import Board
from edgeseg.placement import Placement
from edgeseg.terminal import RESEARCH_NOTE
from edgeseg_runtime.wire import PieceTime, Pong


class BoardReport(msgspec.Struct, frozen=True):
    """One board: what it ran, within which memory, and what it sent and received."""

    name: str
    pieces: tuple[str, ...]
    cores: int
    memory_limit_bytes: int
    peak_memory_bytes: int
    sent_bytes: int
    received_bytes: int
    versions: dict[str, str]
    left_out: str | None


class LaneReport(msgspec.Struct, frozen=True):
    """One lane: the board of each piece and the slices in flight."""

    pieces: dict[str, str]
    window: int


class PieceReport(msgspec.Struct, frozen=True):
    """One piece on one board: how often it ran and how long a run took."""

    name: str
    board: str
    runs: int
    mean_ms: float


class RunReport(msgspec.Struct, frozen=True):
    """A whole run, as it was planned and as it went.

    ``planned_from_estimates`` says that planning knew FLOPs and no measured times.
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
    pieces: tuple[PieceReport, ...]
    note: str = RESEARCH_NOTE


def since(before: Pong, after: Pong) -> Pong:
    """Return what a board did between two answers; the peak of memory is that of its life."""
    times = {
        piece: PieceTime(
            now.runs - before.piece_times[piece].runs,
            now.seconds - before.piece_times[piece].seconds,
        )
        for piece, now in after.piece_times.items()
    }
    return Pong(
        peak_memory_bytes=after.peak_memory_bytes,
        sent_bytes=after.sent_bytes - before.sent_bytes,
        received_bytes=after.received_bytes - before.received_bytes,
        piece_times=times,
    )


def board_reports(
    boards: tuple[Board, ...],
    placement: Placement,
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
            peak_memory_bytes=pongs[board.name].peak_memory_bytes,
            sent_bytes=pongs[board.name].sent_bytes,
            received_bytes=pongs[board.name].received_bytes,
            versions=versions[board.name],
            left_out=placement.left_out.get(board.name),
        )
        for board in boards
    )


def piece_reports(pongs: Mapping[str, Pong]) -> tuple[PieceReport, ...]:
    """Describe the pieces that have run, board by board."""
    return tuple(
        PieceReport(piece, board, times.runs, 1e3 * times.seconds / max(times.runs, 1))
        for board, pong in pongs.items()
        for piece, times in pong.piece_times.items()
    )


def lane_reports(placement: Placement) -> tuple[LaneReport, ...]:
    """Describe the lanes of a placement."""
    return tuple(LaneReport(dict(lane.boards), lane.window) for lane in placement.lanes)
