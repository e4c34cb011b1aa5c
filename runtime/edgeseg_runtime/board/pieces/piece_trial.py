"""Tries a piece that was never run on this board in a process of its own, within limits."""

import os
import select
import signal
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from edgeseg.bundle.manifest import Piece
from edgeseg.errors import BoardError
from edgeseg.inference.process_memory import give_back_freed_memory
from edgeseg.text.units import format_bytes
from edgeseg_runtime.board.pieces.piece_cache import cached_path
from edgeseg_runtime.board.pieces.proofs import Proof
from edgeseg_runtime.board.pieces.trial_process import (
    Complaint,
    memory_of,
    run_trial,
)

FIRST_SECONDS = 30.0
LONGEST_SECONDS = 600.0
_SLOWEST_FLOPS = 2e8
"""FLOPs a second below which no board is worth having: a piece may take so much longer."""

_LOOK_SECONDS = 0.002
_MAX_ANSWER_BYTES = 2**20


class CrashingPieceError(BoardError):
    """A piece ends its process, or never ends running; ``piece`` is its name."""

    def __init__(self, piece: str, fate: str) -> None:
        super().__init__(f"piece {piece} {fate}")
        self.piece = piece


@dataclass(frozen=True)
class Limits:
    """What a piece may take while it is tried.

    Parameters
    ----------
    room_bytes
        Memory, beside what the worker holds.
    seconds
        Time to load and run once.
    abandoned
        Whether nobody waits for the outcome any longer.
    """

    room_bytes: int
    seconds: float
    abandoned: Callable[[], bool]


def trial_seconds(piece: Piece) -> float:
    """Return how long a piece may take to load and run once: many times what a board needs."""
    return min(LONGEST_SECONDS, FIRST_SECONDS + piece.runs * piece.flops / _SLOWEST_FLOPS)


def try_piece(piece: Piece, limits: Limits) -> Proof:
    """Load and run a kept piece once in a process of its own.

    Engines call a lack of memory by many names: of a piece that does not run it is said how much
    there was.

    Parameters
    ----------
    piece
        What is said of it; its file is kept here.
    limits
        What it may take.

    Raises
    ------
    CrashingPieceError
        If its process ends by a signal, or does not end in time.
    BoardError
        If it needs more memory than there is, the engine refuses it, or nobody waits for it.
    """
    give_back_freed_memory()
    return _Trial(piece, limits).run()


class _Trial:
    """One try."""

    def __init__(self, piece: Piece, limits: Limits) -> None:
        self._piece = piece
        self._limits = limits

    def run(self) -> Proof:
        reader, writer = os.pipe()
        try:
            pid = self._fork(writer)
        except OSError as error:
            os.close(reader)
            raise BoardError(
                f"no process can be started to try piece {self._piece.name} ({error.strerror})"
            ) from None
        finally:
            os.close(writer)
        try:
            data = self._listen(pid, reader)
        finally:
            os.close(reader)
            # One that has ended by itself is not changed by this.
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
        return self._proof(data, status)

    def _fork(self, answer: int) -> int:
        parent = os.getpid()
        with warnings.catch_warnings():
            # Other threads only wait now, and the C library's heap is made for this.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            piece = self._piece
            run_trial(
                cached_path(piece.sha256),
                piece.file_format,
                answer,
                self._limits.room_bytes,
                parent,
            )
        return pid

    def _listen(self, pid: int, reader: int) -> bytes:
        """Return what the process has to say; it is ended where it goes beyond its limits."""
        deadline = time.monotonic() + self._limits.seconds
        first_bytes = memory_of(pid).touched_bytes
        poller = select.poll()
        poller.register(reader, select.POLLIN)
        data = b""
        while len(data) < _MAX_ANSWER_BYTES:
            if poller.poll(_LOOK_SECONDS * 1000):
                chunk = os.read(reader, _MAX_ANSWER_BYTES)
                if not chunk:
                    break
                data += chunk
            elif self._limits.abandoned():
                raise BoardError(f"piece {self._piece.name} is no longer wanted")
            elif time.monotonic() > deadline:
                fate = f"has not run once in {self._limits.seconds:.0f} s"
                raise CrashingPieceError(self._piece.name, fate)
            else:
                self._check_memory(pid, first_bytes)
        return data

    def _check_memory(self, pid: int, first_bytes: int) -> None:
        """End a piece that takes too much; the kernel does not count what it reuses of the heap."""
        with suppress(OSError):
            taken = memory_of(pid).touched_bytes - first_bytes
            if taken > self._limits.room_bytes:
                raise BoardError(
                    f"piece {self._piece.name} takes {format_bytes(taken)} or more{self._figures}"
                )

    @property
    def _figures(self) -> str:
        room = format_bytes(max(0, self._limits.room_bytes))
        stated = format_bytes(self._piece.peak_memory_bytes)
        return f"; {room} were free for it, its manifest says {stated}"

    def _proof(self, data: bytes, status: int) -> Proof:
        name = self._piece.name
        if not data:
            code = os.waitstatus_to_exitcode(status)
            if code == -signal.SIGKILL:  # a crash has another: the system lacked memory
                raise BoardError(f"piece {name} was ended by the system{self._figures}")
            fate = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise CrashingPieceError(name, f"ends its process with {fate}")
        try:
            message = msgspec.json.decode(data, type=Proof | Complaint)
        except msgspec.MsgspecError:
            raise CrashingPieceError(name, "ends its process in mid-word") from None
        if isinstance(message, Proof):
            return message
        raise BoardError(f"piece {name}: {message.reason}{self._figures}")
