"""The process that knows all boards: hands out pieces, admits slices, collects what comes back."""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence

from edgeseg.boards.boards_file import Board, BoardEntry
from edgeseg.boards.placement import Placement
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.manifest import Manifest
from edgeseg.errors import WireError
from edgeseg_runtime.coordination.backlog import Backlog, PendingSlice, Result
from edgeseg_runtime.coordination.connections import Connections
from edgeseg_runtime.coordination.fleet import Fleet
from edgeseg_runtime.messaging.assignments import assignment_for, readers
from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.messaging.wire import (
    Assignment,
    Failed,
    Job,
    PieceData,
    PieceRequest,
    Pong,
    Ready,
    Refused,
    SliceResult,
    TensorData,
    tensor_array,
)


class Coordinator:
    """Talks to boards on behalf of one bundle; to be closed after use.

    What it waits for fails as soon as a board that is needed for it is lost; :attr:`fleet` says
    which are there. Messages of other epochs than the present one are dropped.

    Parameters
    ----------
    bundle
        What is to be run.
    entries
        The boards; each should have a worker listening.
    keys
        This machine's own, for boards that have a public key.
    tolerant
        Go on without boards that don't answer.

    Raises
    ------
    BoardsLostError
        If a board can't be reached within five seconds, or refuses; unless tolerant.
    """

    def __init__(
        self,
        bundle: Bundle,
        entries: Sequence[BoardEntry],
        keys: KeyPair | None = None,
        *,
        tolerant: bool = False,
    ) -> None:
        self._bundle = bundle
        self._manifest = bundle.manifest
        # Slices of a coordinator that has died may still be under way between boards.
        self._epoch = 1 + secrets.randbits(48)
        self._connections = Connections(entries, keys)
        self.placement: Placement | None = None
        # Boards know each slice of an epoch by a number of its own, scan after scan.
        self._backlog: Backlog | None = None
        self._first = self._next = 0
        if not tolerant:
            try:
                self._connections.require(entry.name for entry in entries)
            except BaseException:
                self.close()
                raise

    @property
    def fleet(self) -> Fleet:
        """Which boards are there, as of the last turn."""
        return self._connections.fleet

    @property
    def boards(self) -> tuple[Board, ...]:
        """The boards that have ever been there, as placement sees them."""
        return self._connections.boards

    @property
    def received_bytes(self) -> int:
        """Bytes that came back from the boards."""
        return self._connections.received_bytes

    @property
    def given_up(self) -> bool:
        """Whether it was silent here for so long that workers may have dropped what they held."""
        return self._connections.given_up

    def renew(self) -> None:
        """Forget what was held against boards: another run begins."""
        self._connections.fleet = self.fleet.renewed()

    def deploy(self, placement: Placement) -> None:
        """Give every board its pieces and wait until all have loaded them; the epoch rises.

        Raises
        ------
        BoardsLostError
            If a board that is needed refuses or is lost.
        """
        if self.given_up:
            # Planning takes its time, and a worker forgets a coordinator that says nothing.
            self._connections.greet(self.fleet.present)
        self._epoch += 1
        self.placement = placement
        self._connections.require(placement.members)
        peers = self._connections.peers
        self._hand_out(
            {
                name: assignment_for(name, self._manifest, placement, self._epoch, peers)
                for name in placement.members
            }
        )

    def stream(self, images: Iterable[PendingSlice]) -> Iterator[Result]:
        """Send slices through the boards and yield each as it comes back, in any order.

        Raises
        ------
        BoardsLostError
            If a board that is needed fails or is lost.
        """
        backlog = Backlog(images)
        backlog.restart([lane.window for lane in self._deployed.lanes])
        while not backlog.done:
            yield from self.turn(backlog)

    def turn(self, backlog: Backlog) -> Iterator[Result]:
        """Admit slices where there is room, and yield those that have come back meanwhile.

        Raises
        ------
        BoardsLostError
            After the last of them, if a board that is needed has failed or is lost.
        """
        if backlog is not self._backlog:
            self._backlog, self._first = backlog, self._next
        self._admit(backlog)
        if backlog.done:
            return
        for name, message, payload in self._connections.turn():
            if self.fleet.standings[name].barred:
                continue
            if isinstance(message, (Failed, Refused)):
                self._heed(name, message)
            elif isinstance(message, SliceResult) and message.job.epoch == self._epoch:
                awaited = self._awaited(name, message.job, backlog)
                result = self._result(name, awaited, message, payload) if awaited else None
                if result is not None:
                    backlog.finish(result.index)
                    # A board that waits for a slice need not wait for what becomes of this mask.
                    self._admit(backlog)
                    yield result
        self._connections.require(self._deployed.members)

    def idle(self) -> None:
        """Keep in touch with the boards for a moment."""
        self._connections.turn()

    def pongs(self) -> dict[str, Pong]:
        """Ask every board that is there how it fares; return what they answer."""
        return self._connections.pongs()

    @property
    def last_pongs(self) -> dict[str, Pong]:
        """What each board last said of how it fares."""
        return self._connections.last_pongs

    def versions(self) -> dict[str, dict[str, str]]:
        """Return what runs on each board."""
        return self._connections.versions()

    def close(self) -> None:
        """Release the boards and close the sockets."""
        self._connections.close()

    @property
    def _deployed(self) -> Placement:
        if self.placement is None:
            raise RuntimeError("deploy a placement before streaming")
        return self.placement

    def _hand_out(self, assignments: Mapping[str, Assignment]) -> None:
        """Give boards their assignments and wait until all have loaded their pieces."""
        for name, assignment in assignments.items():
            self._connections.send(name, assignment)
        waiting = set(assignments)
        while waiting:
            for name, message, _ in self._connections.turn():
                if isinstance(message, PieceRequest) and message.epoch == self._epoch:
                    self._send_piece(name, message.sha256)
                elif isinstance(message, Ready) and message.epoch == self._epoch:
                    waiting.discard(name)
                elif isinstance(message, Refused):
                    self._heed(name, message)
            self._connections.require(assignments)

    def _heed(self, board: str, message: Failed | Refused) -> None:
        """Go on without a board that can't do its part."""
        epoch = message.job.epoch if isinstance(message, Failed) else message.epoch
        if epoch == self._epoch:
            self._connections.leave_out(board, message.reason)

    def _send_piece(self, board: str, sha256: str) -> None:
        piece = next((p for p in self._manifest.pieces if p.sha256 == sha256), None)
        if piece is None:
            self._connections.leave_out(board, "it asks for a piece that this bundle has not")
            return
        packed = self._bundle.packed_piece(piece)
        self._connections.send(board, PieceData(self._epoch, sha256), packed)

    def _admit(self, backlog: Backlog) -> None:
        """Send slices where there is room; have the next one ready for when there is."""
        for image, lane in backlog.admit():
            self._send_image(image, lane)
        backlog.look_ahead()

    def _send_image(self, image: PendingSlice, lane: int) -> None:
        number = self._first + image.index
        self._next = max(self._next, number + 1)
        job = Job(self._epoch, number, lane, image.geometry)
        tensor = self._manifest.input.tensor
        for board in readers(self._manifest, self._deployed.lanes[lane], tensor):
            header = TensorData(job, tensor, "uint8", image.grey.shape)
            self._connections.send(board, header, image.grey)

    def _awaited(self, board: str, job: Job, backlog: Backlog) -> PendingSlice | None:
        """Return the slice that a board says it has finished, if that board was to do so."""
        image, lane = backlog.awaited(job.slice - self._first) or (None, 0)
        last = self._manifest.pieces[-1].name
        return image if self._deployed.lanes[lane].boards[last] == board else None

    def _result(
        self, board: str, image: PendingSlice, outcome: SliceResult, payload: memoryview
    ) -> Result | None:
        """Return what a board made of a slice; a board that made something else is left out."""
        try:
            array = tensor_array("uint8", _shape(self._manifest, image, outcome), payload)
        except WireError as error:
            self._connections.leave_out(board, f"it sent no mask of slice {image.index}: {error}")
            return None
        return Result(image.index, outcome.kind, array)


def _shape(manifest: Manifest, image: PendingSlice, outcome: SliceResult) -> tuple[int, ...]:
    """Return the shape that an outcome must have."""
    if outcome.kind == "mask":
        return (image.geometry.rows, image.geometry.cols)
    return manifest.output.shape[1:]
