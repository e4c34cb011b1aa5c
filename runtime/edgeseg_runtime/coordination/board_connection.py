"""The connection to one board: a socket that can be replaced, and what the board last reported."""

import time
from collections.abc import Callable, Iterator

import zmq

from edgeseg.boards.boards_file import Board, BoardEntry
from edgeseg.codecs.names import CODECS
from edgeseg.codecs.pace import CodecPace
from edgeseg.errors import WireError
from edgeseg_runtime.messaging.peer_socket import PeerSocket
from edgeseg_runtime.messaging.transport import Payload
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
    declared_bytes,
)
from edgeseg_runtime.messaging.wire.parts import DamagedError, LimitOf

SLOWEST_LINK = 1.25e6
"""Bytes a second (10 Mbit/s): a payload may delay the ping behind it by its bytes over this."""

_MAX_MESSAGES = 10_000
"""Messages read in one go: no board keeps the others waiting by talking without end."""


class BoardConnection:
    """The connection to one board.

    Parameters
    ----------
    entry
        The board.
    connect
        Opens a monitored socket to it.
    poller
        Is woken by messages from the board, and by the loss of the connection.

    Attributes
    ----------
    link
        The socket in use.
    welcome, pong
        The board's last welcome and last report on itself; None before the first.
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
        self._unanswered_since: float | None = None
        self._sending_until = 0.0
        self._damage: str | None = None
        self._open()

    @property
    def board(self) -> Board | None:
        """The board as placement sees it, from its worker's welcome; None before that."""
        if self.welcome is None:
            return None
        return Board(
            name=self.entry.name,
            memory_limit=self.welcome.memory_limit_bytes,
            base_memory=self.welcome.base_memory_bytes,
            cores=self.welcome.cores,
            speed=self.entry.speed,
            core_speed=self.welcome.core_speed,
            codecs=paces_of(self.welcome),
        )

    @property
    def received_bytes(self) -> int:
        """Bytes that came from the board, over all its sockets."""
        return self._received_before + self.link.received_bytes

    def send(self, message: AnyMessage, payload: Payload | None = None) -> None:
        """Send the board a message; answers to pings are due later by the time of the payload."""
        self.link.send(message, payload)
        if payload is not None:
            size = payload.nbytes if not isinstance(payload, bytes) else len(payload)
            self._sending_until = max(self._sending_until, time.monotonic()) + size / SLOWEST_LINK

    def greet(self, session: str, *, again: bool = False) -> None:
        """Say hello: once a connection, unless ``again``."""
        if self.link.broken:
            self.reconnect()
        if again or not self._greeted:
            self._greeted = True
            self.link.send(Hello(session, PROTOCOL, self.entry.name))

    def ping(self, session: str) -> None:
        """Ask the board to report on itself."""
        self._unanswered_since = self._unanswered_since or time.monotonic()
        self.link.send(Ping(session))

    def dismiss(self, session: str) -> None:
        """Release the board for other coordinators."""
        self.link.send(Bye(session))
        self._greeted = False
        self._unanswered_since = None

    def receive(
        self, limit_of: LimitOf = declared_bytes
    ) -> Iterator[tuple[AnyMessage, memoryview]]:
        """Yield the messages that have come; those that break the protocol are dropped.

        Parameters
        ----------
        limit_of
            Says how many bytes of payload a message may bring.
        """
        for _ in range(_MAX_MESSAGES):
            try:
                received = self.link.receive(limit_of)
            except DamagedError as error:
                self._damage = str(error)
                return
            except WireError:
                continue
            if received is None:
                return
            self._unanswered_since = None
            self._note(received[0])
            yield received

    def loss_reason(self, max_silence: float) -> str | None:
        """Return why the board is lost, or None if it is not.

        Parameters
        ----------
        max_silence
            Seconds that a ping may stay unanswered, beyond the time of the payloads before it.
        """
        if self._damage:
            return self._damage
        if self.link.broken:
            return "its connection broke"
        if self._unanswered_since:
            silent_since = max(self._unanswered_since, self._sending_until)
            if time.monotonic() - silent_since > max_silence:
                return f"no word for {max_silence:g} s"
        return None

    def reconnect(self) -> None:
        """Replace the socket; nothing that was sent over the old one gets through."""
        self._received_before += self.link.received_bytes
        self._unregister()
        self.link.abandon()
        self._greeted, self._unanswered_since, self._sending_until = False, None, 0.0
        self._damage = None
        self._open()

    def close(self) -> None:
        """Close the socket; what is still to be sent is given a moment."""
        self._unregister()
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

    def _unregister(self) -> None:
        for socket in (self.link.socket, self.link.monitor):
            self._poller.unregister(socket)


def paces_of(welcome: Welcome) -> tuple[CodecPace, ...]:
    """Return the codecs that a worker and this machine know, and what they cost the worker."""
    return tuple(
        CodecPace(codec, cost.encode_ns / 1e9, cost.decode_ns / 1e9)
        for codec in CODECS
        if (cost := welcome.codecs.get(codec)) is not None
    )
