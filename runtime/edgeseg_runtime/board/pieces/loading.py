"""Carries out the piece loader's instructions: messages, and disk and LiteRT in threads."""

from collections.abc import Callable, Mapping
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
    PiecesProven,
    PieceStored,
    ProvePieces,
    ReportReady,
    ReportRefused,
    RequestPiece,
    SearchCache,
    StepsLoaded,
    StorePiece,
)
from edgeseg_runtime.board.pieces.piece_trial import CrashingPieceError
from edgeseg_runtime.board.pieces.proofs import Proof
from edgeseg_runtime.board.pieces.proving import prove
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
    room_bytes
        What a piece may take that is tried here for the first time.
    accept_proofs
        Is given what came of every piece, by SHA-256; it raises BoardError if there is no room
        for what they really take.
    take
        Takes the loaded interpreters and the bytes by which they exceed what was entered; it
        raises BoardError if there is no room for that excess.
    """

    def __init__(  # noqa: PLR0913, PLR0917 the parts that meet here
        self,
        assignment: Assignment,
        tasks: TaskGroup,
        step_loader: StepLoader,
        report: Report,
        room_bytes: int,
        accept_proofs: Callable[[Mapping[str, Proof]], None],
        take: Callable[[InterpreterSets, int], None],
    ) -> None:
        self._epoch = assignment.epoch
        self._machine = PieceLoader(assignment.pieces)
        self._tasks = tasks
        self._step_loader = step_loader
        self._report = report
        self._room_bytes = room_bytes
        self._accept_proofs = accept_proofs
        self._take = take
        self._proofs: Mapping[str, Proof] = {}

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
            case ProvePieces(pieces):
                try_all = partial(prove, pieces, self._room_bytes, lambda: self._tasks.closed)
                self._tasks.submit(try_all, self._after(self._proven))
            case LoadSteps():
                load = partial(self._step_loader.load_first, self._proofs)
                self._tasks.submit(load, self._after(self._loaded))
            case ReportReady():
                self._report(Ready(self._epoch))
            case ReportRefused(reason, crashing_piece):
                self._report(Refused(self._epoch, reason, crashing_piece=crashing_piece))

    def _after(self, event_of: Callable[[Any], Event]) -> "Callable[[Future[Any]], None]":
        """Return what handles the result of a thread, as the event that it stands for."""

        def done(future: "Future[Any]") -> None:
            error = future.exception()
            if error is None:
                self._handle(event_of(future.result()))
            else:
                crashing = error.piece if isinstance(error, CrashingPieceError) else ""
                self._handle(LoadFailed(reason_of(error), crashing))

        return done

    def _proven(self, proofs: Mapping[str, Proof]) -> Event:
        try:
            self._accept_proofs(proofs)
        except BoardError as error:
            return LoadFailed(str(error))
        self._proofs = proofs
        return PiecesProven()

    def _loaded(self, loaded: LoadedSteps) -> Event:
        try:
            self._take(loaded.interpreters, loaded.excess_bytes)
        except BoardError as error:
            return LoadFailed(str(error))
        return StepsLoaded()


def reason_of(error: BaseException) -> str:
    """Return the words in which the coordinator is told of an error."""
    return str(error) if isinstance(error, EdgesegError) else f"{type(error).__name__}: {error}"
