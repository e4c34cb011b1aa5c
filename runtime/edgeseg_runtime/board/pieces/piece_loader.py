"""From an assignment to loaded pieces, as a machine: events in, instructions out.

No threads, sockets or files: :class:`~edgeseg_runtime.board.pieces.loading.PieceLoading` carries
the instructions out and reports what came of them.

========== ================== ================================== ==========
in state   the event          gives the instructions             next state
========== ================== ================================== ==========
NEW        Assigned           AwaitMemory                        WAITING
WAITING    MemoryReleased     SearchCache                        SEARCHING
SEARCHING  CacheSearched      RequestPiece, or ProvePieces       as below
RECEIVING  PieceArrived       StorePiece                         STORING
STORING    PieceStored        RequestPiece while one is missing, RECEIVING
                              then ProvePieces                   PROVING
PROVING    PiecesProven       LoadSteps                          LOADING
LOADING    StepsLoaded        ReportReady                        READY
any        LoadFailed         ReportRefused                      REFUSED
========== ================== ================================== ==========
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from edgeseg.bundle.manifest import Piece
from edgeseg.errors import WireError

_SHOWN = 12
"""Characters of a hash in a message."""


@dataclass(frozen=True)
class Assigned:
    """The pieces are to be loaded; work of an earlier epoch may still run."""


@dataclass(frozen=True)
class MemoryReleased:
    """Work of earlier epochs has ended and holds no memory."""


@dataclass(frozen=True)
class CacheSearched:
    """The SHA-256 of every piece that is not kept on this board, each once."""

    missing: tuple[str, ...]


@dataclass(frozen=True)
class PieceArrived:
    """A packed piece came from the coordinator."""

    sha256: str
    packed: memoryview


@dataclass(frozen=True)
class PieceStored:
    """The piece that arrived was verified and is kept on disk."""


@dataclass(frozen=True)
class PiecesProven:
    """Every piece has run once on this board, and what it takes fits into the ledger."""


@dataclass(frozen=True)
class StepsLoaded:
    """All that runs first is loaded and fits into the ledger."""


@dataclass(frozen=True)
class LoadFailed:
    """An instruction could not be carried out; ``crashing_piece`` ends its process."""

    reason: str
    crashing_piece: str = ""


Event: TypeAlias = (
    Assigned
    | MemoryReleased
    | CacheSearched
    | PieceArrived
    | PieceStored
    | PiecesProven
    | StepsLoaded
    | LoadFailed
)


@dataclass(frozen=True)
class AwaitMemory:
    """Report MemoryReleased once nothing of an earlier epoch runs."""


@dataclass(frozen=True)
class SearchCache:
    """Find out which pieces are kept on this board."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class RequestPiece:
    """Ask the coordinator for a piece."""

    sha256: str


@dataclass(frozen=True)
class StorePiece:
    """Verify a packed piece and keep it on disk."""

    piece: Piece
    packed: memoryview


@dataclass(frozen=True)
class ProvePieces:
    """Try the pieces that this board has not run before, each in a process of its own."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class LoadSteps:
    """Load what runs first, and check its memory against the ledger."""


@dataclass(frozen=True)
class ReportReady:
    """Tell the coordinator that slices may come."""


@dataclass(frozen=True)
class ReportRefused:
    """Tell the coordinator why the assignment can't be carried out, and which piece crashes."""

    reason: str
    crashing_piece: str = ""


Instruction: TypeAlias = (
    AwaitMemory
    | SearchCache
    | RequestPiece
    | StorePiece
    | ProvePieces
    | LoadSteps
    | ReportReady
    | ReportRefused
)


class LoadState(Enum):
    """How far an assignment has come."""

    NEW = auto()
    WAITING = auto()
    SEARCHING = auto()
    RECEIVING = auto()
    STORING = auto()
    PROVING = auto()
    LOADING = auto()
    READY = auto()
    REFUSED = auto()


class PieceLoader:
    """Says what is to be done next to have the pieces of one assignment loaded.

    Invariants:

    - no more than one piece is on its way, and none that was not asked for is stored;
    - nothing is loaded before every piece is kept on disk and has run in a process of its own;
    - the coordinator is told once that all is ready, or once that it is refused.

    Parameters
    ----------
    pieces
        Those of the assignment.
    """

    def __init__(self, pieces: tuple[Piece, ...]) -> None:
        self._pieces = pieces
        self._missing: tuple[str, ...] = ()
        self.state = LoadState.NEW

    def awaited_bytes(self, sha256: str) -> int:
        """Return the packed size of the piece that was asked for; 0 for any other."""
        if self.state is not LoadState.RECEIVING or sha256 != self._missing[0]:
            return 0
        return self._piece(sha256).compressed_bytes

    def handle(self, event: Event) -> Instruction | None:
        """Return what an event makes necessary, if anything; the state moves on.

        Raises
        ------
        WireError
            If a piece arrives that was not asked for.
        RuntimeError
            If the event can't follow on what was told before.
        """
        match event:
            case LoadFailed(reason, crashing_piece):
                return self._refuse(reason, crashing_piece)
            case PieceArrived(sha256, packed):
                return self._store(sha256, packed)
            case _:
                return self._advance(event)

    def _advance(self, event: Event) -> Instruction:
        match self.state, event:
            case LoadState.NEW, Assigned():
                return self._move(LoadState.WAITING, AwaitMemory())
            case LoadState.WAITING, MemoryReleased():
                return self._move(LoadState.SEARCHING, SearchCache(self._pieces))
            case LoadState.SEARCHING, CacheSearched(missing):
                self._missing = missing
                return self._request_or_prove()
            case LoadState.STORING, PieceStored():
                self._missing = self._missing[1:]
                return self._request_or_prove()
            case LoadState.PROVING, PiecesProven():
                return self._move(LoadState.LOADING, LoadSteps())
            case LoadState.LOADING, StepsLoaded():
                return self._move(LoadState.READY, ReportReady())
        raise RuntimeError(f"{type(event).__name__} while {self.state.name}")

    def _refuse(self, reason: str, crashing_piece: str) -> Instruction | None:
        if self.state is LoadState.REFUSED:
            return None
        return self._move(LoadState.REFUSED, ReportRefused(reason, crashing_piece))

    def _store(self, sha256: str, packed: memoryview) -> Instruction:
        if self.state is not LoadState.RECEIVING or sha256 != self._missing[0]:
            raise WireError(f"piece {sha256[:_SHOWN]} was not asked for")
        return self._move(LoadState.STORING, StorePiece(self._piece(sha256), packed))

    def _piece(self, sha256: str) -> Piece:
        return next(piece for piece in self._pieces if piece.sha256 == sha256)

    def _request_or_prove(self) -> Instruction:
        if self._missing:
            return self._move(LoadState.RECEIVING, RequestPiece(self._missing[0]))
        return self._move(LoadState.PROVING, ProvePieces(self._pieces))

    def _move(self, state: LoadState, instruction: Instruction) -> Instruction:
        self.state = state
        return instruction
