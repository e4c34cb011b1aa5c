"""A worker that takes its orders from a test, by hand."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from talking import hear

from edgeseg.boards.placement import Lane, Placement
from edgeseg.bundle.bundle_file import Bundle
from edgeseg_runtime.messaging.assignments import assignment_for
from edgeseg_runtime.messaging.peer_socket import PeerSocket
from edgeseg_runtime.messaging.wire import (
    Assignment,
    PieceData,
    PieceRequest,
    Ready,
    Refused,
)
from edgeseg_runtime.messaging.wire.fields import Message


def whole(bundle: Bundle, epoch: int = 1, window: int = 1) -> Assignment:
    """Return the order to run a whole bundle on the board ``a``."""
    boards = {piece.name: "a" for piece in bundle.manifest.pieces}
    return assignment_for("a", bundle.manifest, Placement((Lane(boards, window),), {}), epoch, {})


def outcome_of(
    link: PeerSocket,
    assignment: Assignment,
    packed_piece: Callable[[str], bytes],
    seconds: float = 60.0,
) -> Ready | Refused:
    """Give an assignment and every piece that is asked for, by SHA-256; return how that ended."""
    link.send(assignment)
    deadline = time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        answer: Message = hear(link, (PieceRequest, Ready, Refused), left)
        if isinstance(answer, (Ready, Refused)):
            return answer
        assert isinstance(answer, PieceRequest)
        link.send(PieceData(assignment.epoch, answer.sha256), packed_piece(answer.sha256))


@dataclass
class Served:
    """A worker, greeted over a link, and the bundle that it is sent."""

    link: PeerSocket
    bundle: Bundle

    def assign(self, assignment: Assignment) -> Ready | Refused:
        """Give an assignment and the pieces of the bundle; return how that ended."""
        return outcome_of(self.link, assignment, self._packed_piece)

    def _packed_piece(self, sha256: str) -> bytes:
        piece = next(p for p in self.bundle.manifest.pieces if p.sha256 == sha256)
        return self.bundle.packed_piece(piece)
