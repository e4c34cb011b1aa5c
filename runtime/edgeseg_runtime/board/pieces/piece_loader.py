"""From an assignment to loaded pieces: what is not here is asked for, kept, loaded, weighed."""

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeAlias

from edgeseg.errors import EdgesegError, WireError
from edgeseg_runtime.board.pieces.loading import Loaded, Loader
from edgeseg_runtime.board.pieces.pool import missing, store
from edgeseg_runtime.board.threads import Threads
from edgeseg_runtime.messaging.wire import AnyMessage, Assignment, PieceRequest, Refused

Say: TypeAlias = Callable[[AnyMessage], None]


class Preparation:
    """Gets the pieces of an assignment ready; all that takes a while is done in threads.

    Pieces come one after the other: never is more than one on its way.

    Parameters
    ----------
    assignment, threads, loader
        Those of the deployment.
    say
        Sends the coordinator a message.
    ready
        Called with what was loaded first.
    """

    def __init__(
        self,
        assignment: Assignment,
        threads: Threads,
        loader: Loader,
        say: Say,
        ready: Callable[[Loaded], None],
    ) -> None:
        self._assignment = assignment
        self._threads = threads
        self._loader = loader
        self._say = say
        self._ready = ready
        self._missing: list[str] = []
        self._cancelled = False

    def start(self) -> None:
        """Begin once what ran before has let go of its memory."""
        self._threads.when_idle(self._find)

    def cancel(self) -> None:
        """Say and do nothing more."""
        self._cancelled = True

    def accept_piece(self, sha256: str, packed: memoryview) -> None:
        """Keep a piece that was asked for, verified.

        Raises
        ------
        WireError
            If it was not asked for.
        """
        if not self._missing or sha256 != self._missing[0]:
            raise WireError(f"piece {sha256[:12]} was not asked for")
        del self._missing[0]
        wanted = next(piece for piece in self._assignment.pieces if piece.sha256 == sha256)
        self._threads.submit(partial(store, wanted, packed), self._stored)

    def failed(self, future: "Future[Any]") -> bool:
        """Tell whether there is no going on, and the coordinator if it still wants to know."""
        error = future.exception()
        if error is not None and not self._cancelled:
            self._say(Refused(self._assignment.epoch, reason(error)))
        return self._cancelled or error is not None

    def _find(self) -> None:
        if not self._cancelled:
            self._threads.submit(partial(missing, self._assignment.pieces), self._found)

    def _found(self, future: "Future[list[str]]") -> None:
        if not self.failed(future):
            self._missing = future.result()
            self._ask()

    def _stored(self, future: "Future[None]") -> None:
        if not self.failed(future):
            self._ask()

    def _ask(self) -> None:
        if self._missing:
            self._say(PieceRequest(self._assignment.epoch, self._missing[0]))
        else:
            self._threads.submit(self._loader.first, self._loaded)

    def _loaded(self, future: "Future[Loaded]") -> None:
        if not self.failed(future):
            self._ready(future.result())


def reason(error: BaseException) -> str:
    """Return what is said of an error."""
    return str(error) if isinstance(error, EdgesegError) else f"{type(error).__name__}: {error}"
