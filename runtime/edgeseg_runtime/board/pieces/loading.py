"""Carries out the piece loader's instructions: messages, and disk and LiteRT in threads."""

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeAlias

from edgeseg.errors import BoardError, EdgesegError
from edgeseg_runtime.board.pieces.interpreter_pool import InterpreterSets
from edgeseg_runtime.board.pieces.piece_cache import missing_pieces, store_piece
from edgeseg_runtime.board.pieces.piece_loader import (
    Assigned,
    AwaitMemory,
    CacheSearched,
    Event,
    Instruction,
    LoadFailed,
    LoadSteps,
    MemoryReleased,
    PieceArrived,
    PieceLoader,
    PieceStored,
    ReportReady,
    ReportRefused,
    RequestPiece,
    SearchCache,
    StepsLoaded,
    StorePiece,
)
from edgeseg_runtime.board.pieces.step_loader import LoadedSteps, StepLoader
from edgeseg_runtime.board.threads import TaskGroup
from edgeseg_runtime.messaging.wire import AnyMessage, Assignment, PieceRequest, Ready, Refused

Report: TypeAlias = Callable[[AnyMessage], None]
"""Sends the coordinator a message without a payload."""


class PieceLoading:
    """Loads the pieces of one assignment.

    Parameters
    ----------
    assignment
        Whose pieces they are.
    tasks
        For all that takes longer than a moment.
    step_loader
        Loads what is kept on disk.
    report
        Sends the coordinator a message.
    take
        Takes the loaded interpreters and the bytes by which they exceed what was entered; it
        raises BoardError if there is no room for that excess.
    """

    def __init__(
        self,
        assignment: Assignment,
        tasks: TaskGroup,
        step_loader: StepLoader,
        report: Report,
        take: Callable[[InterpreterSets, int], None],
    ) -> None:
        self._epoch = assignment.epoch
        self._machine = PieceLoader(assignment.pieces)
        self._tasks = tasks
        self._step_loader = step_loader
        self._report = report
        self._take = take

    def start(self) -> None:
        """Begin to load."""
        self._handle(Assigned())

    def awaited_bytes(self, sha256: str) -> int:
        """Return the packed size of the piece that was asked for; 0 for any other."""
        return self._machine.awaited_bytes(sha256)

    def accept_piece(self, sha256: str, packed: memoryview) -> None:
        """Verify a packed piece that came from the coordinator, and keep it.

        Raises
        ------
        WireError
            If it was not asked for.
        """
        self._handle(PieceArrived(sha256, packed))

    def _handle(self, event: Event) -> None:
        instruction = self._machine.handle(event)
        if instruction is not None:
            self._carry_out(instruction)

    def _carry_out(self, instruction: Instruction) -> None:
        match instruction:
            case AwaitMemory():
                self._tasks.when_idle(lambda: self._handle(MemoryReleased()))
            case SearchCache(pieces):
                self._tasks.submit(partial(missing_pieces, pieces), self._after(CacheSearched))
            case RequestPiece(sha256):
                self._report(PieceRequest(self._epoch, sha256))
            case StorePiece(piece, packed):
                stored = self._after(lambda _: PieceStored())
                self._tasks.submit(partial(store_piece, piece, packed), stored)
            case LoadSteps():
                self._tasks.submit(self._step_loader.load_first, self._after(self._loaded))
            case ReportReady():
                self._report(Ready(self._epoch))
            case ReportRefused(reason):
                self._report(Refused(self._epoch, reason))

    def _after(self, event_of: Callable[[Any], Event]) -> "Callable[[Future[Any]], None]":
        """Return what handles the result of a thread, as the event that it stands for."""

        def done(future: "Future[Any]") -> None:
            error = future.exception()
            if error is None:
                self._handle(event_of(future.result()))
            else:
                self._handle(LoadFailed(reason_of(error)))

        return done

    def _loaded(self, loaded: LoadedSteps) -> Event:
        try:
            self._take(loaded.interpreters, loaded.excess_bytes)
        except BoardError as error:
            return LoadFailed(str(error))
        return StepsLoaded()


def reason_of(error: BaseException) -> str:
    """Return the words in which the coordinator is told of an error."""
    return str(error) if isinstance(error, EdgesegError) else f"{type(error).__name__}: {error}"
