"""What boards and links really take: every piece run, every link filled both ways."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edgeseg.boards import Board, BoardEntry, LinkEntry
from edgeseg.bundle import Bundle
from edgeseg.figures import BoardFigures
from edgeseg.manifest import Manifest, Piece
from edgeseg.placement import pieces_and_slices, working_bytes
from edgeseg.planning.problem import Link, link_of, sources_of
from edgeseg_runtime.examiner import Examiner
from edgeseg_runtime.keys import KeyPair
from edgeseg_runtime.orders import tried_bytes
from edgeseg_runtime.wire import MAX_PROBE_BYTES

_FIRST_PROBE_BYTES = 2**16
_LONG_ENOUGH = 0.1
"""Seconds after which a transfer is measured well: links need no larger one."""

_PROBE_SHARE = 16
"""No probe takes more than such a part of a board's free memory: some of it may stay behind."""

_PROBES = 5
_PINGS = 15

Advance = Callable[[], None]


@dataclass(frozen=True)
class Profiler:
    """Measures a bundle on boards, one board after the other.

    Parameters
    ----------
    bundle
        Whose pieces are run.
    entries
        The boards; each must have a worker listening.
    coordinator
        What is known of this machine's link.
    rounds
        How often each piece runs; the median counts.
    keys
        This machine's own, for boards that have a public key.
    """

    bundle: Bundle
    entries: Sequence[BoardEntry]
    coordinator: LinkEntry
    rounds: int
    keys: KeyPair | None = None

    @property
    def steps(self) -> int:
        """How many steps :meth:`measure` takes."""
        return len(self.entries) * (1 + self.rounds * len(self.bundle.manifest.pieces))

    def measure(self, advance: Advance) -> tuple[BoardFigures, ...]:
        """Measure all boards and links.

        Parameters
        ----------
        advance
            Called after each step.

        Raises
        ------
        BoardError
            If a board can't be reached, refuses or vanishes.
        """
        self.bundle.check()
        speaker = Examiner(self.bundle, self.entries, self.keys)
        try:
            return tuple(self._measure_board(speaker, board, advance) for board in speaker.boards)
        finally:
            speaker.close()

    def _measure_board(self, speaker: Examiner, board: Board, advance: Advance) -> BoardFigures:
        link = measure_link(speaker, board, self.coordinator.latency_ms / 1e3)
        advance()
        return BoardFigures(board, link, self._measure_pieces(speaker, board, advance))

    def _measure_pieces(
        self, speaker: Examiner, board: Board, advance: Advance
    ) -> dict[str, float]:
        """Run pieces in turn as slices would, so that each finds caches as others left them."""
        manifest = self.bundle.manifest
        seconds: dict[str, list[float]] = {}
        for batch in batches(manifest, board):
            speaker.load(board.name, batch)
            for _ in range(self.rounds):
                for piece in batch:
                    taken = speaker.try_piece(board.name, piece)
                    seconds.setdefault(piece.name, []).append(taken)
                    advance()
        for _ in range(self.rounds * (len(manifest.pieces) - len(seconds))):
            advance()
        return {piece: statistics.median(times) for piece, times in seconds.items()}


def batches(manifest: Manifest, board: Board) -> Iterator[tuple[Piece, ...]]:
    """Yield runs of pieces that a board can hold together; what fits in none is left out.

    Parameters
    ----------
    manifest
        The bundle.
    board
        As its worker describes it.
    """
    batch: tuple[Piece, ...] = ()
    for piece in manifest.pieces:
        if batch and not _fits(manifest, (*batch, piece), board):
            yield batch
            batch = ()
        if _fits(manifest, (*batch, piece), board):
            batch = (*batch, piece)
    if batch:
        yield batch


def _fits(manifest: Manifest, pieces: Sequence[Piece], board: Board) -> bool:
    image, output = manifest.input.tensor, manifest.output.tensor
    need = pieces_and_slices(pieces, tried_bytes(manifest, pieces))
    need += working_bytes(pieces, sources_of(manifest.pieces), image, output)
    return board.base_memory + need <= board.memory_limit


def measure_link(speaker: Examiner, board: Board, own_latency: float) -> Link:
    """Measure a board's link: bytes a second each way, and the seconds of an empty message.

    Parameters
    ----------
    speaker
        Connected to the board, which holds no pieces.
    board
        As its worker describes it.
    own_latency
        Seconds one way between this machine and the network.
    """
    name, free = board.name, board.memory_limit - board.base_memory
    empty = statistics.median(speaker.probe(name, 0, 0) for _ in range(_PINGS))
    most = max(1, min(MAX_PROBE_BYTES, free // _PROBE_SHARE))
    return Link(
        up=_rate(lambda size: speaker.probe(name, 0, size) - empty, most),
        down=_rate(lambda size: speaker.probe(name, size, 0) - empty, most),
        latency=max(0.0, empty / 2 - own_latency),
    )


def _rate(transfer: Callable[[int], float], most: int) -> float:
    """Return the bytes a second of transfers that grow until they take long enough."""
    size = min(_FIRST_PROBE_BYTES, most)
    while size < most and transfer(size) < _LONG_ENOUGH:
        size = min(2 * size, most)
    return size / max(statistics.median(transfer(size) for _ in range(_PROBES)), 1e-9)


def own_link(said: LinkEntry, boards: Sequence[BoardFigures]) -> Link | None:
    """Return this machine's link if more went through it than it was taken for, else None.

    Parameters
    ----------
    said
        What the boards file says of it.
    boards
        What was measured.
    """
    known = link_of(said)
    proven = Link(
        up=max(known.up, *(board.link.down for board in boards)),
        down=max(known.down, *(board.link.up for board in boards)),
        latency=known.latency,
    )
    return None if proven == known else proven
