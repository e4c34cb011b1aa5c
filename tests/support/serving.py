"""A worker that takes its orders from a test, by hand."""

from dataclasses import dataclass

from talking import hear

from edgeseg.boards.placement import Lane, Placement
from edgeseg.bundle.bundle_file import Bundle
from edgeseg_runtime.messaging.assignments import assignment_for
from edgeseg_runtime.messaging.peer_socket import PeerSocket
from edgeseg_runtime.messaging.wire import (
    AnyMessage,
    Assignment,
    PieceData,
    PieceRequest,
    Ready,
    Refused,
)


def whole(bundle: Bundle, epoch: int = 1, window: int = 1) -> Assignment:
    """Return the order to run a whole bundle on the board ``a``."""
    boards = {piece.name: "a" for piece in bundle.manifest.pieces}
    return assignment_for("a", bundle.manifest, Placement((Lane(boards, window),), {}), epoch, {})


@dataclass
class Served:
    """A worker, greeted over a link, and the bundle that it is sent."""

    link: PeerSocket
    bundle: Bundle

    def assign(self, assignment: Assignment, seconds: float = 20.0) -> Ready | Refused:
        """Give an assignment and every piece that is asked for; return how that ended."""
        self.link.send(assignment)
        while True:
            answer = self._answer(seconds)
            if not isinstance(answer, PieceRequest):
                return answer
            piece = next(p for p in self.bundle.manifest.pieces if p.sha256 == answer.sha256)
            data = PieceData(assignment.epoch, piece.sha256)
            self.link.send(data, self.bundle.packed_piece(piece))

    def _answer(self, seconds: float) -> "PieceRequest | Ready | Refused":
        kinds = (PieceRequest, Ready, Refused)
        message: AnyMessage = hear(self.link, kinds, seconds)  # type: ignore[arg-type]
        assert isinstance(message, kinds)
        return message
