"""Which board runs which piece: pure functions of (manifest, boards) -> Placement.

A placement is a list of lanes. A lane puts every piece on one board; slices are dealt to the
lanes. One lane over two boards is a pipeline, two lanes of one board each are whole-slice data
parallelism, and both are told apart by nothing but these lists.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgeseg.boards import Board
from edgeseg.errors import PlacementError
from edgeseg.manifest import Manifest, Piece, Port
from edgeseg.units import format_bytes

SPARE_SLICES = 1
"""Slices in flight beyond one a board, so that no board waits for the coordinator."""


@dataclass(frozen=True)
class Lane:
    """A full set of pieces: the board of each, and how many slices may be in flight."""

    boards: Mapping[str, str]
    window: int

    @property
    def members(self) -> tuple[str, ...]:
        """Boards in the order in which a slice first meets them."""
        return tuple(dict.fromkeys(self.boards.values()))


@dataclass(frozen=True)
class Placement:
    """The lanes, and why boards were left out (by name)."""

    lanes: tuple[Lane, ...]
    left_out: Mapping[str, str]

    @property
    def members(self) -> tuple[str, ...]:
        """Every board that runs anything."""
        return tuple(dict.fromkeys(name for lane in self.lanes for name in lane.members))


def place(manifest: Manifest, boards: Sequence[Board]) -> Placement:
    """Place the pieces for the most slices a second within every board's memory.

    Boards that hold the whole bundle become lanes of their own. The others are chained: of the
    ways to share them out in equal groups, the one with the highest predicted rate is taken.

    Raises
    ------
    PlacementError
        If no lane fits; the message says what is needed and what is there.
    """
    whole = [board for board in boards if _chain(manifest, (board,)) is not None]
    small = [board for board in boards if board not in whole]
    lanes = [lane for board in whole if (lane := _chain(manifest, (board,))) is not None]
    lanes += _chained_lanes(manifest, small)
    if not lanes:
        raise PlacementError(_shortfall(manifest, boards))
    used = {name for lane in lanes for name in lane.members}
    left_out = {b.name: _why_left_out(manifest, b) for b in boards if b.name not in used}
    return Placement(tuple(lanes), left_out)


def slice_bytes(manifest: Manifest, here: frozenset[str]) -> int:
    """Most bytes that one slice can keep alive on a board that runs the pieces ``here``.

    Counted are all tensors that these pieces read or make, each once: a received tensor until
    its last reader has run, a made one until it is sent.
    """
    ports: dict[str, Port] = {}
    for piece in manifest.pieces:
        if piece.name in here:
            ports |= {port.tensor: port for port in (*piece.inputs, *piece.outputs)}
    return sum(port.nbytes for port in ports.values())


def memory_need(manifest: Manifest, board: Board, here: frozenset[str], window: int) -> int:
    """Bytes that a board's worker enters into its ledger for these pieces and that window."""
    pieces = [piece for piece in manifest.pieces if piece.name in here]
    return board.base_memory + pieces_and_slices(pieces, window * slice_bytes(manifest, here))


def pieces_and_slices(pieces: Sequence[Piece], in_flight: int) -> int:
    """Most bytes that pieces, loaded in :func:`loading_order`, and the slices in flight take.

    All pieces are loaded before any slice comes.
    """
    kept = peak = 0
    for piece in loading_order(pieces):
        peak = max(peak, kept + piece.peak_memory_bytes)
        kept += piece.resident_memory_bytes
    return max(peak, kept + in_flight)


def loading_order(pieces: Iterable[Piece]) -> list[Piece]:
    """Order pieces such that loading one after the other has the smallest peak.

    What takes most on top of what it keeps goes first, while little else is there.
    """
    return sorted(
        pieces,
        key=lambda piece: piece.peak_memory_bytes - piece.resident_memory_bytes,
        reverse=True,
    )


def lane_rate(manifest: Manifest, boards: Mapping[str, Board], lane: Lane) -> float:
    """Slices a second of a lane, in units of board speed.

    Its slowest board decides, unless the window is too small to keep all boards busy: then it is
    the slices in flight over the time of one (Little's law).
    """
    placed = [(boards[name], _pieces_on(lane, name)) for name in lane.members]
    busiest = max(_seconds(manifest, board, here) for board, here in placed)
    latency = sum(board.cores * _seconds(manifest, board, here) for board, here in placed)
    return min(1 / busiest, lane.window / latency)


def _chained_lanes(manifest: Manifest, boards: Sequence[Board]) -> list[Lane]:
    by_name = {board.name: board for board in boards}
    best: list[Lane] = []
    best_rate = 0.0
    for count in range(len(boards) // 2, 0, -1):
        chains = [_chain(manifest, boards[first::count]) for first in range(count)]
        lanes = [lane for lane in chains if lane is not None]
        rate = sum(lane_rate(manifest, by_name, lane) for lane in lanes)
        if rate > best_rate * (1 + 1e-9):
            best, best_rate = lanes, rate
    return best


def _chain(manifest: Manifest, boards: Sequence[Board]) -> Lane | None:
    """Share the pieces out over the boards in order, with the window that gives the best rate.

    A larger window keeps boards busy and takes memory, which may force a worse balance.
    """
    by_name = {board.name: board for board in boards}
    most = sum(board.cores for board in boards) + SPARE_SLICES
    lanes = [_chain_with_window(manifest, boards, window) for window in range(most, 0, -1)]
    return max(
        (lane for lane in lanes if lane is not None),
        key=lambda lane: lane_rate(manifest, by_name, lane),
        default=None,
    )


def _chain_with_window(manifest: Manifest, boards: Sequence[Board], window: int) -> Lane | None:
    """Share the pieces out over the boards in order: contiguous runs, smallest bottleneck.

    Dynamic programming over the boards: ``best[end]`` is the smallest bottleneck with which the
    boards so far run the pieces before ``end``, and where each board's run ends. A board that
    does not help has an empty run.
    """
    count = len(manifest.pieces)
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for board in boards:
        seconds = _run_seconds(manifest, board, window)
        options = [
            (max(bottleneck, seconds[start, end]), (*ends, end))
            for start, (bottleneck, ends) in best.items()
            for end in range(start, count + 1)
            if (start, end) in seconds
        ]
        best = {ends[-1]: (bottleneck, ends) for bottleneck, ends in sorted(options, reverse=True)}
    if count not in best:
        return None
    ends = best[count][1]
    placed = {
        piece.name: board.name
        for board, start, end in zip(boards, (0, *ends), ends, strict=False)
        for piece in manifest.pieces[start:end]
    }
    return Lane(placed, window)


def _run_seconds(manifest: Manifest, board: Board, window: int) -> dict[tuple[int, int], float]:
    """Time a slice on a board of every run of pieces (start, end) that fits it."""
    seconds = {}
    for start in range(len(manifest.pieces) + 1):
        seconds[start, start] = 0.0
        for end in range(start + 1, len(manifest.pieces) + 1):
            here = frozenset(piece.name for piece in manifest.pieces[start:end])
            if memory_need(manifest, board, here, window) > board.memory_limit:
                break
            seconds[start, end] = _seconds(manifest, board, here)
    return seconds


def _pieces_on(lane: Lane, board: str) -> frozenset[str]:
    return frozenset(piece for piece, name in lane.boards.items() if name == board)


def _seconds(manifest: Manifest, board: Board, here: frozenset[str]) -> float:
    flops = sum(piece.flops for piece in manifest.pieces if piece.name in here)
    return max(flops, 1) / (board.speed * board.cores)


def _why_left_out(manifest: Manifest, board: Board) -> str:
    alone = (frozenset({piece.name}) for piece in manifest.pieces)
    if any(memory_need(manifest, board, here, window=1) <= board.memory_limit for here in alone):
        return "it would bring no more slices a second"
    return _shortfall(manifest, (board,))


def _shortfall(manifest: Manifest, boards: Sequence[Board]) -> str:
    everything = frozenset(piece.name for piece in manifest.pieces)
    hungriest = max(manifest.pieces, key=lambda piece: _alone(manifest, piece))
    largest = max(boards, key=lambda board: board.memory_limit - board.base_memory)
    whole = memory_need(manifest, largest, everything, window=1)
    return (
        f"the bundle needs {format_bytes(whole)} on one board, its largest piece "
        f"{format_bytes(largest.base_memory + _alone(manifest, hungriest))}; "
        f"{largest.name} has {format_bytes(largest.memory_limit)}; add boards, raise "
        "--memory-limit, or convert into smaller pieces or with --quantize int8"
    )


def _alone(manifest: Manifest, piece: Piece) -> int:
    return piece.peak_memory_bytes + slice_bytes(manifest, frozenset({piece.name}))
