"""Links to the boards of a run: greets them, keeps in touch, and notices who has gone."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import zmq

from edgeseg.boards import Board, BoardEntry
from edgeseg.errors import BoardError
from edgeseg_runtime.transport import Link, Payload, normalize_endpoint
from edgeseg_runtime.wire import PROTOCOL, AnyMessage, Bye, Hello, Ping, Pong, Refused, Welcome

CONNECT_SECONDS = 5.0
PING_SECONDS = 0.5
SILENCE_SECONDS = 3.0
"""A board unheard of for so long has vanished."""

Received = tuple[str, AnyMessage, memoryview]
"""The board's name, its message, and the message's payload."""

_T = TypeVar("_T")


@dataclass
class _Connection:
    """One board: its entry, its link, and what it last said of itself."""

    entry: BoardEntry
    link: Link
    welcome: Welcome | None = None
    pong: Pong | None = None
    asked: float | None = None
    """When the oldest ping went out that nothing has come after."""


class Connections:
    """One link to each board, for one session; to be closed after use.

    Parameters
    ----------
    entries
        The boards; each must have a worker listening.

    Raises
    ------
    BoardError
        If a board can't be reached within five seconds, or refuses.
    """

    def __init__(self, entries: Sequence[BoardEntry]) -> None:
        self._session = secrets.token_hex(16)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._poller = zmq.Poller()
        self._connections: dict[str, _Connection] = {}
        self._last_ping = 0.0
        try:
            for entry in entries:
                link = Link(self._context, normalize_endpoint(entry.address))
                self._poller.register(link.socket, zmq.POLLIN)
                self._connections[entry.name] = _Connection(entry, link)
            self.greet()
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

    @property
    def endpoints(self) -> dict[str, str]:
        """Where each board listens."""
        return {name: connection.link.endpoint for name, connection in self._connections.items()}

    @property
    def received_bytes(self) -> int:
        """Bytes that came back from the boards."""
        return sum(connection.link.received_bytes for connection in self._connections.values())

    @property
    def given_up(self) -> bool:
        """Whether it was silent here for so long that workers have dropped what they held."""
        return time.monotonic() - self._last_ping > SILENCE_SECONDS

    def greet(self) -> None:
        """Say hello to all boards and wait until each has answered.

        Raises
        ------
        BoardError
            If one does not answer, or refuses.
        """
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

    def send(self, board: str, message: AnyMessage, payload: Payload | None = None) -> None:
        """Send a board a message."""
        self._connections[board].link.send(message, payload)

    def turn(self) -> list[Received]:
        """Ping where it is time, and return what has come, waiting a moment for the first.

        Raises
        ------
        BoardError
            If a board refuses, or nothing was heard of it for too long.
        """
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

    def ask(
        self, board: str, message: AnyMessage, kind: type[_T], payload: Payload | None = None
    ) -> _T:
        """Send a board a message and wait for the answer of a kind; others are dropped.

        Raises
        ------
        BoardError
            If a board vanishes.
        """
        self.send(board, message, payload)
        while True:
            for name, answer, _ in self.turn():
                if name == board and isinstance(answer, kind):
                    return answer

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
            self.turn()
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

    def _receive(self) -> list[Received]:
        """Return the messages that are there, waiting a moment for the first."""
        self._poller.poll(round(PING_SECONDS * 1000))
        received: list[Received] = []
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
