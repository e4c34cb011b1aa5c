"""The process that knows all boards: hands out pieces, admits slices, collects what comes back."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgeseg.boards import Board, BoardEntry
from edgeseg.bundle import Bundle
from edgeseg.errors import BoardError
from edgeseg.manifest import Piece
from edgeseg.placement import Placement
from edgeseg.slices import Grey, SliceGeometry
from edgeseg_runtime.connections import Connections
from edgeseg_runtime.orders import assignment_for, readers, trial_of
from edgeseg_runtime.wire import (
    Assignment,
    Echo,
    Failed,
    Job,
    Need,
    Outcome,
    PieceData,
    Pong,
    Probe,
    Ready,
    TensorData,
    Trial,
    Tried,
    tensor_array,
)


@dataclass(frozen=True)
class Image:
    """One slice ready for the boards: index, native grid, and the 8-bit image (H, W)."""

    index: int
    geometry: SliceGeometry
    grey: Grey


@dataclass(frozen=True)
class Result:
    """One slice back from the boards: 8-bit probabilities (H, W, C) or a native mask."""

    index: int
    kind: str
    array: Grey


class Coordinator:
    """Talks to boards on behalf of one bundle; to be closed after use.

    Parameters
    ----------
    bundle
        What is to be run.
    entries
        The boards; each must have a worker listening.

    Raises
    ------
    BoardError
        If a board can't be reached within five seconds, or refuses.
    """

    def __init__(self, bundle: Bundle, entries: Sequence[BoardEntry]) -> None:
        self._bundle = bundle
        self._manifest = bundle.manifest
        self._epoch = 0
        self._connections = Connections(entries)
        self.placement: Placement | None = None

    @property
    def boards(self) -> tuple[Board, ...]:
        """The boards as placement sees them, from what their workers said."""
        return self._connections.boards

    @property
    def received_bytes(self) -> int:
        """Bytes that came back from the boards."""
        return self._connections.received_bytes

    def deploy(self, placement: Placement) -> None:
        """Give every board its pieces and wait until all have loaded them; the epoch rises.

        Raises
        ------
        BoardError
            If a board refuses or vanishes.
        """
        # Planning takes its time, and a worker forgets a coordinator that is silent for too long.
        self._connections.greet()
        self._epoch += 1
        self.placement = placement
        endpoints = self._connections.endpoints
        self._hand_out(
            {
                name: assignment_for(name, self._manifest, placement, self._epoch, endpoints)
                for name in placement.members
            }
        )

    def load(self, board: str, pieces: Sequence[Piece]) -> None:
        """Have a board load pieces in place of what it has, to be tried; the epoch rises.

        Raises
        ------
        BoardError
            If the board refuses or vanishes.
        """
        self._epoch += 1
        self._hand_out({board: trial_of(self._manifest, pieces, self._epoch)})

    def try_piece(self, board: str, piece: Piece) -> float:
        """Run a loaded piece once on one core of its board; return the seconds it took there.

        Raises
        ------
        BoardError
            If the board vanishes.
        """
        return self._connections.ask(board, Trial(self._epoch, piece.name), Tried).seconds

    def probe(self, board: str, sent: int, returned: int) -> float:
        """Send bytes to a board that holds no pieces and have bytes back; return the seconds.

        Raises
        ------
        BoardError
            If the board vanishes.
        """
        payload = bytes(sent)
        start = time.perf_counter()
        self._connections.ask(board, Probe(returned), Echo, payload)
        return time.perf_counter() - start

    def wake(self) -> None:
        """Deploy again after a pause: boards drop what they hold for a coordinator gone silent.

        Raises
        ------
        BoardError
            If a board has gone meanwhile.
        """
        if self._connections.given_up:
            self.deploy(self._deployed)

    def stream(self, images: Iterable[Image]) -> Iterator[Result]:
        """Send slices through the boards and yield each as it comes back, in any order.

        A slice is admitted only while its lane's window has room, so nothing queues up anywhere.

        Raises
        ------
        BoardError
            If a board fails or vanishes.
        """
        self.wake()
        in_flight: list[set[int]] = [set() for _ in self._deployed.lanes]
        coming = iter(images)
        exhausted = False
        while True:
            while not exhausted and (lane := self._lane_with_room(in_flight)) is not None:
                image = next(coming, None)
                exhausted = image is None
                if image is not None:
                    in_flight[lane].add(image.index)
                    self._admit(image, lane)
            if not any(in_flight):
                return
            for name, message, payload in self._connections.turn():
                if isinstance(message, Failed):
                    raise BoardError(
                        f"{name} failed on slice {message.job.slice}: {message.reason}"
                    )
                if isinstance(message, Outcome) and message.job.epoch == self._epoch:
                    in_flight[message.job.lane].discard(message.job.slice)
                    array = tensor_array("uint8", message.shape, payload)
                    yield Result(message.job.slice, message.kind, array)

    def pongs(self) -> dict[str, Pong]:
        """Ask every board how it fares and wait for the answers.

        Raises
        ------
        BoardError
            If a board has vanished.
        """
        return self._connections.pongs()

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
                if isinstance(message, Need):
                    self._send_piece(name, message.sha256)
                elif isinstance(message, Ready) and message.epoch == self._epoch:
                    waiting.discard(name)

    def _send_piece(self, board: str, sha256: str) -> None:
        piece = next((p for p in self._manifest.pieces if p.sha256 == sha256), None)
        if piece is None:
            raise BoardError(f"{board} asks for a piece that this bundle does not have")
        packed = self._bundle.packed_piece(piece)
        self._connections.send(board, PieceData(self._epoch, sha256), packed)

    def _lane_with_room(self, in_flight: Sequence[set[int]]) -> int | None:
        """Return the lane with the largest share of its window free, or None where all are full."""
        shares = [
            (len(slices) / lane.window, number)
            for number, (lane, slices) in enumerate(
                zip(self._deployed.lanes, in_flight, strict=True)
            )
            if len(slices) < lane.window
        ]
        return min(shares)[1] if shares else None

    def _admit(self, image: Image, lane: int) -> None:
        job = Job(self._epoch, image.index, lane, image.geometry)
        tensor = self._manifest.input.tensor
        for board in readers(self._manifest, self._deployed.lanes[lane], tensor):
            header = TensorData(job, tensor, "uint8", image.grey.shape)
            self._connections.send(board, header, image.grey)
