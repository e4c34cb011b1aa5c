"""The process that knows all boards: hands out pieces, admits slices, collects what comes back."""

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import zmq

from edgeseg.boards import Board, BoardEntry
from edgeseg.bundle import Bundle
from edgeseg.errors import BoardError
from edgeseg.placement import Placement
from edgeseg.slices import Grey, SliceGeometry
from edgeseg_runtime.orders import assignment_for, readers
from edgeseg_runtime.transport import Link, normalize_endpoint
from edgeseg_runtime.wire import (
    PROTOCOL,
    AnyMessage,
    Bye,
    Failed,
    Hello,
    Job,
    Need,
    Outcome,
    PieceData,
    Ping,
    Pong,
    Ready,
    Refused,
    TensorData,
    Welcome,
    tensor_array,
)

CONNECT_SECONDS = 5.0
PING_SECONDS = 0.5
SILENCE_SECONDS = 3.0
"""A board unheard of for so long has vanished."""


@dataclass
class _Connection:
    """One board: its entry, its link, and what it last said of itself."""

    entry: BoardEntry
    link: Link
    welcome: Welcome | None = None
    pong: Pong | None = None
    asked: float | None = None
    """When the oldest ping went out that nothing has come after."""


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
        self._session = secrets.token_hex(16)
        self._epoch = 0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._poller = zmq.Poller()
        self._connections: dict[str, _Connection] = {}
        self._last_ping = 0.0
        self.placement: Placement | None = None
        try:
            for entry in entries:
                link = Link(self._context, normalize_endpoint(entry.address))
                self._poller.register(link.socket, zmq.POLLIN)
                self._connections[entry.name] = _Connection(entry, link)
            self._greet()
        except BaseException:
            self.close()
            raise

    @property
    def boards(self) -> tuple[Board, ...]:
        """The boards as placement sees them, from what their workers said."""
        return tuple(
            Board(
                name=name,
                memory_limit=connection.welcome.memory_limit_bytes,
                base_memory=connection.welcome.base_memory_bytes,
                cores=connection.welcome.cores,
                speed=connection.entry.speed,
            )
            for name, connection in self._connections.items()
            if connection.welcome is not None
        )

    def deploy(self, placement: Placement) -> None:
        """Give every board its pieces and wait until all have loaded them; the epoch rises.

        Raises
        ------
        BoardError
            If a board refuses or vanishes.
        """
        # Planning takes its time, and a worker forgets a coordinator that is silent for too long.
        self._greet()
        self._epoch += 1
        self.placement = placement
        endpoints = {name: c.link.endpoint for name, c in self._connections.items()}
        for name in placement.members:
            assignment = assignment_for(name, self._manifest, placement, self._epoch, endpoints)
            self._connections[name].link.send(assignment)
        waiting = set(placement.members)
        while waiting:
            for name, message, _ in self._turn():
                if isinstance(message, Need):
                    self._send_piece(name, message.sha256)
                elif isinstance(message, Ready) and message.epoch == self._epoch:
                    waiting.discard(name)

    def wake(self) -> None:
        """Deploy again after a pause: boards drop what they hold for a coordinator gone silent.

        Raises
        ------
        BoardError
            If a board has gone meanwhile.
        """
        if time.monotonic() - self._last_ping > SILENCE_SECONDS:
            self.deploy(self._deployed)

    @property
    def _deployed(self) -> Placement:
        if self.placement is None:
            raise RuntimeError("deploy a placement before streaming")
        return self.placement

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
        while not exhausted or any(in_flight):
            while not exhausted and (lane := self._lane_with_room(in_flight)) is not None:
                image = next(coming, None)
                exhausted = image is None
                if image is not None:
                    in_flight[lane].add(image.index)
                    self._admit(image, lane)
            for name, message, payload in self._turn():
                if isinstance(message, Failed):
                    raise BoardError(
                        f"{name} failed on slice {message.job.slice}: {message.reason}"
                    )
                if isinstance(message, Outcome) and message.job.epoch == self._epoch:
                    in_flight[message.job.lane].discard(message.job.slice)
                    array = tensor_array("uint8", message.shape, payload)
                    yield Result(message.job.slice, message.kind, array)

    @property
    def received_bytes(self) -> int:
        """Bytes that came back from the boards."""
        return sum(c.link.received_bytes for c in self._connections.values())

    def pongs(self) -> dict[str, Pong]:
        """Ask every board how it fares and wait for the answers.

        Raises
        ------
        BoardError
            If a board has vanished.
        """
        for connection in self._connections.values():
            connection.pong = None
        self._last_ping = 0.0
        while any(connection.pong is None for connection in self._connections.values()):
            self._turn()
        return {name: c.pong for name, c in self._connections.items() if c.pong is not None}

    def versions(self) -> dict[str, dict[str, str]]:
        """Return what runs on each board."""
        return {n: c.welcome.versions for n, c in self._connections.items() if c.welcome}

    def close(self) -> None:
        """Release the boards and close the sockets."""
        for connection in self._connections.values():
            connection.link.send(Bye(self._session))
            connection.link.close()
        self._context.term()

    def _greet(self) -> None:
        for connection in self._connections.values():
            connection.welcome = None
            connection.link.send(Hello(self._session, PROTOCOL))
        deadline = time.monotonic() + CONNECT_SECONDS
        while silent := [c for c in self._connections.values() if c.welcome is None]:
            if time.monotonic() > deadline:
                entry = silent[0].entry
                raise BoardError(
                    f"no worker answers at {entry.address} ({entry.name}); "
                    "start one there with: edgeseg worker --listen ENDPOINT"
                )
            for name, message, _ in self._receive():
                if isinstance(message, Welcome):
                    self._connections[name].welcome = message

    def _turn(self) -> list[tuple[str, AnyMessage, memoryview]]:
        """Ping where it is time, take in what has come, and make sure that nobody is silent."""
        now = time.monotonic()
        if now - self._last_ping > PING_SECONDS:
            self._last_ping = now
            for connection in self._connections.values():
                connection.asked = connection.asked or now
                connection.link.send(Ping(self._session))
        received = self._receive()
        for name, connection in self._connections.items():
            if connection.asked and time.monotonic() - connection.asked > SILENCE_SECONDS:
                raise BoardError(
                    f"{name} at {connection.entry.address} has vanished: not a word for "
                    f"{SILENCE_SECONDS:.0f} s; see whether its worker still runs, then start again"
                )
        return received

    def _receive(self) -> list[tuple[str, AnyMessage, memoryview]]:
        """Return the messages that are there, waiting a moment for the first."""
        self._poller.poll(round(PING_SECONDS * 1000))
        received: list[tuple[str, AnyMessage, memoryview]] = []
        for name, connection in self._connections.items():
            while (got := connection.link.receive()) is not None:
                connection.asked = None
                message, payload = got
                if isinstance(message, Refused):
                    raise BoardError(f"{name} at {connection.entry.address}: {message.reason}")
                if isinstance(message, Pong):
                    connection.pong = message
                received.append((name, message, payload))
        return received

    def _send_piece(self, board: str, sha256: str) -> None:
        piece = next((p for p in self._manifest.pieces if p.sha256 == sha256), None)
        if piece is None:
            raise BoardError(f"{board} asks for a piece that this bundle does not have")
        packed = self._bundle.packed_piece(piece)
        self._connections[board].link.send(PieceData(self._epoch, sha256), packed)

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
            self._connections[board].link.send(header, image.grey)
