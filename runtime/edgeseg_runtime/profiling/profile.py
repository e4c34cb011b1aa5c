"""Measures what boards and links really take, and writes the figures into the boards file."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

from edgeseg.boards.boards_file import Board, BoardEntry, LinkEntry, read_boards
from edgeseg.boards.link import Link
from edgeseg.boards.memory_use import peak_board_bytes, working_bytes
from edgeseg.boards.profile_file import MeasuredBoard, write_profile
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.manifest import Manifest, Piece
from edgeseg.files.atomic import check_writable
from edgeseg.planning.problem.from_pieces import sources_of
from edgeseg.progress import Progress, silent
from edgeseg_runtime.coordination.profiling_session import ProfilingSession
from edgeseg_runtime.messaging.assignments import trial_bytes
from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.profiling.links import measure_link, own_link
from edgeseg_runtime.profiling.profile_report import ProfileReport, profile_report

Advance = Callable[[], None]
"""Called after each step."""


def profile_boards(
    bundle: Path | str,
    boards_file: Path | str,
    *,
    rounds: int = 9,
    keys: KeyPair | None = None,
    progress: Progress = silent,
) -> ProfileReport:
    """Run every piece on every board and fill every link; write the figures into the boards file.

    Parameters
    ----------
    bundle
        A ``.edgeseg`` file.
    boards_file
        TOML file that lists the boards, each with a worker listening; comments and what it
        states otherwise stay.
    rounds
        How often each piece runs; the median counts.
    keys
        This machine's own, for boards that have a public key.
    progress
        Follows the steps.

    Raises
    ------
    BundleError, UsageError
        If the bundle or the boards file can't be read.
    OutputError
        If the boards file can't be written.
    BoardError
        If a board can't be reached, refuses or vanishes.
    """
    path = Path(boards_file)
    opened, file = Bundle(Path(bundle)), read_boards(path)
    check_writable(path)
    profiler = Profiler(opened, file.board, file.coordinator, rounds, keys)
    with progress(profiler.steps, "profiling") as advance:
        figures = profiler.measure(advance)
    write_profile(path, opened.manifest, figures, own_link(file.coordinator, figures))
    return profile_report(opened.manifest, figures)


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
        session = ProfilingSession(self.bundle, self.entries, self.keys)
        try:
            links = [self._measure_link(session, board, advance) for board in session.boards]
            seconds = self._measure_pieces(session, advance)
            return tuple(
                MeasuredBoard(board, link, seconds[board.name])
                for board, link in zip(session.boards, links, strict=True)
            )
        finally:
            session.close()

    def _measure_link(self, session: ProfilingSession, board: Board, advance: Advance) -> Link:
        link = measure_link(session, board, self.coordinator.latency_ms / 1e3)
        advance()
        return link

    def _measure_pieces(
        self, session: ProfilingSession, advance: Advance
    ) -> dict[str, dict[str, float]]:
        """Return the seconds of every piece, by board.

        Pieces run in turn as they do for slices, so that each finds the caches as others left
        them, and on all boards at once: boards of one machine share its memory bandwidth.
        """
        manifest, boards = self.bundle.manifest, session.boards
        times: dict[str, dict[str, list[float]]] = {board.name: {} for board in boards}
        board_batches = (batches(manifest, board) for board in boards)
        for batch_of_each in zip_longest(*board_batches, fillvalue=()):
            loaded = {
                board.name: batch
                for board, batch in zip(boards, batch_of_each, strict=True)
                if batch
            }
            session.load(loaded)
            for pieces in chain(*([*zip_longest(*loaded.values())] for _ in range(self.rounds))):
                timed = {
                    name: piece
                    for name, piece in zip(loaded, pieces, strict=True)
                    if piece is not None
                }
                for name, seconds in session.time_pieces(timed).items():
                    times[name].setdefault(timed[name].name, []).append(seconds)
                    advance()
        for _ in range(self.rounds * sum(len(manifest.pieces) - len(t) for t in times.values())):
            advance()  # pieces that fit on no board are steps too
        return {
            name: {piece: statistics.median(seconds) for piece, seconds in pieces.items()}
            for name, pieces in times.items()
        }


def batches(manifest: Manifest, board: Board) -> Iterator[tuple[Piece, ...]]:
    """Yield runs of pieces that a board can hold together; pieces that don't fit are left out.

    Parameters
    ----------
    manifest
        The bundle's.
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
    image_bytes = manifest.preprocessing.image_bytes
    need = peak_board_bytes(pieces, trial_bytes(manifest, pieces))
    need += working_bytes(pieces, sources_of(manifest.pieces), image, output, image_bytes)
    return board.base_memory + need <= board.memory_limit
