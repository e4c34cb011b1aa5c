"""The way to one board: a link that can be begun anew, and what the board last said of itself."""

import time
from collections.abc import Callable, Iterator

import zmq

from edgeseg.boards.boards_file import Board, BoardEntry
from edgeseg.errors import WireError
from edgeseg_runtime.messaging.transport import Payload, PeerSocket
from edgeseg_runtime.messaging.wire import (
    NO_EPOCH,
    PROTOCOL,
    AnyMessage,
    Bye,
    Hello,
    Ping,
    Pong,
    Refused,
    Welcome,
)

SLOWEST_LINK = 1.25e6
"""Bytes a second (10 Mbit/s): what was sent may hold up the next ping for so long."""

_MANY = 10_000
"""Messages heard at once: nobody keeps the others waiting by talking without end."""


class BoardConnection:
    """One board.

    Parameters
    ----------
    entry
        The board.
    connect
        Opens a watched link to it.
    poller
        Wakes up when something comes from it, or its connection is lost.
    """

    def __init__(
        self, entry: BoardEntry, connect: Callable[[], PeerSocket], poller: zmq.Poller
    ) -> None:
        self.entry = entry
        self.welcome: Welcome | None = None
        self.pong: Pong | None = None
        self._connect = connect
        self._poller = poller
        self._received_before = 0
        self._greeted = False
        self._asked: float | None = None
        self._excused = 0.0
        self._open()

    @property
    def board(self) -> Board | None:
        """The board as placement sees it, from what its worker said; None before it did."""
        if self.welcome is None:
            return None
        return Board(
            name=self.entry.name,
            memory_limit=self.welcome.memory_limit_bytes,
            base_memory=self.welcome.base_memory_bytes,
            cores=self.welcome.cores,
            speed=self.entry.speed,
        )

    @property
    def received_bytes(self) -> int:
        """Bytes that came from the board."""
        return self._received_before + self.link.received_bytes

    def send(self, message: AnyMessage, payload: Payload | None = None) -> None:
        """Send the board a message; a payload holds up the pings that are sent after it."""
        self.link.send(message, payload)
        if payload is not None:
            size = payload.nbytes if not isinstance(payload, bytes) else len(payload)
            self._excused = max(self._excused, time.monotonic()) + size / SLOWEST_LINK

    def greet(self, session: str, *, again: bool = False) -> None:
        """Say hello, once over each connection unless told to do it again."""
        if self.link.broken:
            self.renew()
        if again or not self._greeted:
            self._greeted = True
            self.link.send(Hello(session, PROTOCOL, self.entry.name))

    def ping(self, session: str) -> None:
        """Ask for a sign of life."""
        self._asked = self._asked or time.monotonic()
        self.link.send(Ping(session))

    def dismiss(self, session: str) -> None:
        """Let the board serve others."""
        self.link.send(Bye(session))
        self._greeted = False
        self._asked = None

    def hear(self) -> Iterator[tuple[AnyMessage, memoryview]]:
        """Yield the messages that have come; those that break the protocol are dropped."""
        for _ in range(_MANY):
            try:
                got = self.link.receive()
            except WireError:
                continue
            if got is None:
                return
            self._asked = None
            self._note(got[0])
            yield got

    def trouble(self, silence: float) -> str | None:
        """Say what tells that the board is lost, such as so many seconds of silence, or None."""
        if self.link.broken:
            return "its connection broke"
        if self._asked and time.monotonic() - max(self._asked, self._excused) > silence:
            return f"no word for {silence:g} s"
        return None

    def renew(self) -> None:
        """Begin anew over another connection, to which nothing of the old one gets through."""
        self._received_before += self.link.received_bytes
        self._forget()
        self.link.abandon()
        self._greeted, self._asked, self._excused = False, None, 0.0
        self._open()

    def close(self) -> None:
        """Close the link; what is still to be sent is given a moment."""
        self._forget()
        self.link.close()

    def _note(self, message: AnyMessage) -> None:
        if isinstance(message, Welcome):
            self.welcome = message
        elif isinstance(message, Pong):
            self.pong = message
        elif isinstance(message, Refused) and message.epoch == NO_EPOCH:
            self._greeted = False

    def _open(self) -> None:
        self.link = self._connect()
        for socket in (self.link.socket, self.link.monitor):
            self._poller.register(socket, zmq.POLLIN)

    def _forget(self) -> None:
        for socket in (self.link.socket, self.link.monitor):
            self._poller.unregister(socket)
