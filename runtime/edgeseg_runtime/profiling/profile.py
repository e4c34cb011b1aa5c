"""What boards and links really take: every piece run, every link filled both ways."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise, zip_longest

from edgeseg.boards.boards_file import Board, BoardEntry, LinkEntry
from edgeseg.boards.link import Link, link_of
from edgeseg.boards.memory_use import peak_board_bytes, working_bytes
from edgeseg.boards.profile_file import MeasuredBoard
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.manifest import Manifest, Piece
from edgeseg.planning.problem.from_pieces import sources_of
from edgeseg_runtime.coordination.profiling_session import ProbeAnswer, ProfilingSession
from edgeseg_runtime.messaging.assignments import trial_bytes
from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.messaging.wire import MAX_PROBE_BYTES

_FIRST_PROBE_BYTES = 2**16
_LONG_ENOUGH = 0.1
"""Seconds after which a transfer is measured well: links need no larger one."""

_IN_ALL = 0.5
"""Seconds after which a way is measured well by transfers of any size."""

_PROBE_SHARE = 16
"""No probe takes more than such a part of a board's free memory: some of it may stay behind."""

_AT_LEAST = 0.1
"""Share of a transfer that is its bytes': on a busy machine an empty message may take as long."""

_PROBES = 5
_MOST_PROBES = 25
"""Of a link so fast that they take next to no time: what disturbs some in a row decides nothing."""

_PINGS = 15

Advance = Callable[[], None]


@dataclass(frozen=True)
class Profiler:
    """Measures a bundle on boards: links one after the other, pieces on all boards at once.

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

    def measure(self, advance: Advance) -> tuple[MeasuredBoard, ...]:
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
        speaker = ProfilingSession(self.bundle, self.entries, self.keys)
        try:
            links = [self._measure_link(speaker, board, advance) for board in speaker.boards]
            seconds = self._measure_pieces(speaker, advance)
            return tuple(
                MeasuredBoard(board, link, seconds[board.name])
                for board, link in zip(speaker.boards, links, strict=True)
            )
        finally:
            speaker.close()

    def _measure_link(self, speaker: ProfilingSession, board: Board, advance: Advance) -> Link:
        link = measure_link(speaker, board, self.coordinator.latency_ms / 1e3)
        advance()
        return link

    def _measure_pieces(
        self, speaker: ProfilingSession, advance: Advance
    ) -> dict[str, dict[str, float]]:
        """Run pieces in turn as slices would, so that each finds caches as others left them.

        All boards run at once, as they do in earnest: those of one machine share its memory.
        """
        manifest, boards = self.bundle.manifest, speaker.boards
        times: dict[str, dict[str, list[float]]] = {board.name: {} for board in boards}
        for loads in zip_longest(*(batches(manifest, board) for board in boards), fillvalue=()):
            loaded = {b.name: load for b, load in zip(boards, loads, strict=True) if load}
            speaker.load(loaded)
            for pieces in chain(*([*zip_longest(*loaded.values())] for _ in range(self.rounds))):
                tried = {n: p for n, p in zip(loaded, pieces, strict=True) if p is not None}
                for name, seconds in speaker.time_pieces(tried).items():
                    times[name].setdefault(tried[name].name, []).append(seconds)
                    advance()
        for _ in range(self.rounds * sum(len(manifest.pieces) - len(t) for t in times.values())):
            advance()
        return {
            name: {piece: statistics.median(taken) for piece, taken in pieces.items()}
            for name, pieces in times.items()
        }


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
    need = peak_board_bytes(pieces, trial_bytes(manifest, pieces))
    need += working_bytes(pieces, sources_of(manifest.pieces), image, output)
    return board.base_memory + need <= board.memory_limit


def measure_link(speaker: ProfilingSession, board: Board, own_latency: float) -> Link:
    """Measure a board's link: bytes a second each way, what they take of its cores, and latency.

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
    empty = statistics.median(speaker.probe(name, 0, 0).seconds for _ in range(_PINGS))
    most = max(1, min(MAX_PROBE_BYTES, free // _PROBE_SHARE))
    up = _way(lambda size: speaker.probe(name, 0, size), most, empty)
    down = _way(lambda size: speaker.probe(name, size, 0), most, empty)
    return Link(
        up=up.rate,
        down=down.rate,
        latency=max(0.0, empty / 2 - own_latency),
        toll=(up.toll + down.toll) / 2,
    )


@dataclass(frozen=True)
class _Way:
    """One way of a link: bytes a second, and seconds of the board's cores a byte."""

    rate: float
    toll: float


def _way(transfer: Callable[[int], ProbeAnswer], most: int, empty: float) -> _Way:
    """Measure transfers that grow until they take long enough.

    A board tells the time of its cores before its answer is sent: that of a transfer is the
    difference to the next one.
    """
    size = min(_FIRST_PROBE_BYTES, most)
    while size < most and transfer(size).seconds - empty < _LONG_ENOUGH:
        size = min(2 * size, most)
    probes: list[ProbeAnswer] = []
    while len(probes) < _MOST_PROBES and (len(probes) < _PROBES or _seconds(probes) < _IN_ALL):
        probes.append(transfer(size))
    took = statistics.median(probe.seconds for probe in probes)
    seconds = max(took - empty, _AT_LEAST * took)
    worked = statistics.median(
        after.cpu_seconds - before.cpu_seconds for before, after in pairwise(probes)
    )
    return _Way(size / seconds, max(0.0, worked) / size)


def _seconds(probes: Sequence[ProbeAnswer]) -> float:
    return sum(probe.seconds for probe in probes)


def own_link(said: LinkEntry, boards: Sequence[MeasuredBoard]) -> Link | None:
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
