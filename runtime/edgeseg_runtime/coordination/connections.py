"""Connections to the boards of a run: greeting, pinging, and noticing who joins or is lost."""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

import msgspec
import zmq

from edgeseg.boards.boards_file import Board, BoardEntry
from edgeseg_runtime.coordination.board_connection import BoardConnection
from edgeseg_runtime.coordination.board_endpoints import checked_endpoints
from edgeseg_runtime.coordination.fleet import Fleet
from edgeseg_runtime.messaging.addresses import address_problem
from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.messaging.peer_socket import PeerSocket
from edgeseg_runtime.messaging.transport import Payload
from edgeseg_runtime.messaging.wire import (
    HELD_SECONDS,
    NO_EPOCH,
    AnyMessage,
    Bye,
    Echo,
    Peer,
    Pong,
    Refused,
    SliceResult,
    Welcome,
    declared_bytes,
)

CONNECT_SECONDS = 5.0
GREET_SECONDS = 1.0
"""How often absent boards are greeted."""

PING_SECONDS = 0.5
SILENCE_SECONDS = 2.0
"""A board that answers no ping for so long is lost: ten times what a worker may take to answer.

The end of a worker breaks its connection and is noticed at once; silence tells of frozen workers
and of cables. A shorter time would take the hiccup of a busy machine for a loss, a longer one
would keep the other boards waiting.
"""

ResultBytes: TypeAlias = Callable[[str, SliceResult], int]
"""Returns how many bytes a board's result may have."""

Received = tuple[str, AnyMessage, memoryview]
"""The board's name, its message, and the message's payload."""

_T = TypeVar("_T")


class Connections:
    """One connection to each board, for one session; to be closed after use.

    Parameters
    ----------
    entries
        The boards.
    keys
        This machine's own, for boards that have a public key.
    result_bytes
        Says how many bytes the result may have that a message of a board brings.

    Attributes
    ----------
    fleet
        Which of them are present, as of the last poll.

    Raises
    ------
    BoardError
        If two boards have the same address.
    UsageError
        If a board has a public key and this machine has none, or an address is none.
    """

    def __init__(
        self,
        entries: Sequence[BoardEntry],
        keys: KeyPair | None = None,
        result_bytes: ResultBytes = lambda _board, _result: 0,
    ) -> None:
        endpoints = checked_endpoints(entries, keys)
        self._result_bytes = result_bytes
        self._session = secrets.token_hex(16)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._poller = zmq.Poller()
        self._by_name: dict[str, BoardConnection] = {}
        self._last_ping = self._last_greeting = 0.0
        self.fleet = Fleet.of(entry.name for entry in entries)
        try:
            for entry, endpoint in zip(entries, endpoints, strict=True):
                connect = partial(
                    PeerSocket, self._context, endpoint, keys, entry.public_key, watched=True
                )
                self._by_name[entry.name] = BoardConnection(entry, connect, self._poller)
            self.greet(self._by_name)
        except BaseException:
            self.close()
            raise

    @property
    def boards(self) -> tuple[Board, ...]:
        """The boards that have ever answered, as placement sees them."""
        boards = (connection.board for connection in self._by_name.values())
        return tuple(board for board in boards if board is not None)

    @property
    def peers(self) -> dict[str, Peer]:
        """Where each board listens, and its public key."""
        return {
            name: Peer(connection.link.endpoint, connection.entry.public_key)
            for name, connection in self._by_name.items()
        }

    @property
    def received_bytes(self) -> int:
        """Bytes that came from the boards."""
        return sum(connection.received_bytes for connection in self._by_name.values())

    @property
    def lapsed(self) -> bool:
        """Whether no ping was sent for so long that workers may have dropped their pieces."""
        return time.monotonic() - self._last_ping > HELD_SECONDS / 2

    @property
    def last_pongs(self) -> dict[str, Pong]:
        """What each board last reported of itself."""
        return {
            name: connection.pong
            for name, connection in self._by_name.items()
            if connection.pong is not None
        }

    def greet(self, boards: Iterable[str]) -> None:
        """Say hello to boards and wait until each has answered, or five seconds have passed."""
        waiting = set(boards)
        for name in waiting:
            self._by_name[name].greet(self._session, again=True)
        deadline = time.monotonic() + CONNECT_SECONDS
        while waiting and time.monotonic() < deadline:
            for name, message, _ in self.poll():
                if isinstance(message, (Welcome, Refused)):
                    waiting.discard(name)
            waiting -= {name for name in waiting if self._by_name[name].link.refusal}
        for name in waiting - set(self.fleet.present):
            address = self._by_name[name].entry.address
            reason = address_problem(self._by_name[name].link.endpoint) or (
                f"no worker answers at {address} (edgeseg worker --listen starts one there)"
            )
            self.fleet = self.fleet.unavailable(name, reason)

    def send(self, board: str, message: AnyMessage, payload: Payload | None = None) -> None:
        """Send a board a message."""
        self._by_name[board].send(message, payload)

    def poll(self) -> list[Received]:
        """Ping and greet where it is due; return what has come, after half a second at most."""
        self._keep_in_touch()
        self._poller.poll(round(PING_SECONDS * 1000))
        received: list[Received] = []
        for name, connection in self._by_name.items():
            for message, payload in connection.receive(partial(self._payload_limit, name)):
                self._note(name, message)
                received.append((name, message, payload))
            refusal = connection.link.refusal
            # A worker that dies breaks off handshakes too: why it was lost says more.
            if refusal and name in self.fleet.awaited and not self.fleet.states[name].losses:
                self.fleet = self.fleet.unavailable(name, refusal)
            loss_reason = connection.loss_reason(SILENCE_SECONDS)
            if loss_reason and name in self.fleet.present:
                self.fleet = self.fleet.lost(name, loss_reason, time.monotonic())
                connection.reconnect()
        return received

    def ask(
        self, requests: Mapping[str, AnyMessage], kind: type[_T], payload: Payload | None = None
    ) -> dict[str, _T]:
        """Send one message to each of some boards and wait for an answer from each.

        Parameters
        ----------
        requests
            The messages, by board.
        kind
            The class of the answers; other messages are dropped meanwhile.
        payload
            Sent with every message.

        Raises
        ------
        BoardsLostError
            If one of the boards is lost.
        """
        for board, message in requests.items():
            self.send(board, message, payload)
        answers: dict[str, _T] = {}
        while len(answers) < len(requests):
            answers |= {
                name: message
                for name, message, _ in self.poll()
                if name in requests and isinstance(message, kind)
            }
            self.fleet.require(requests)
        return answers

    def pongs(self) -> dict[str, Pong]:
        """Ask every board present to report on itself; return the reports by board."""
        for connection in self._by_name.values():
            connection.pong = None
        self._last_ping = 0.0
        while any(self._by_name[name].pong is None for name in self.fleet.present):
            self.poll()
        return self.last_pongs

    def versions(self) -> dict[str, dict[str, str]]:
        """Return, by board, the versions of what runs there."""
        return {
            name: connection.welcome.versions
            for name, connection in self._by_name.items()
            if connection.welcome
        }

    def leave_out(self, board: str, reason: str) -> None:
        """Bar a board that can't or won't do its part, and release it for other coordinators."""
        self.fleet = self.fleet.barred(board, reason)
        self._by_name[board].dismiss(self._session)

    def leave_out_hanging(self, board: str, reason: str) -> None:
        """Let a board rest that answers, but gets nothing done; it is released."""
        self.fleet = self.fleet.stalled(board, reason, time.monotonic())
        connection = self._by_name[board]
        if connection.pong is not None:
            # When it comes back, what it said before no longer counts.
            connection.pong = msgspec.structs.replace(connection.pong, running_seconds=0.0)
        connection.dismiss(self._session)

    def close(self) -> None:
        """Release the boards and close the sockets."""
        for connection in self._by_name.values():
            connection.link.send(Bye(self._session))
            connection.close()
        self._context.term()

    def _payload_limit(self, board: str, message: AnyMessage) -> int:
        """Return how many bytes of payload a board's message may bring."""
        if isinstance(message, SliceResult):
            return self._result_bytes(board, message)
        return declared_bytes(message) if isinstance(message, Echo) else 0

    def _keep_in_touch(self) -> None:
        """Ping the boards present, and greet those that may join."""
        now = time.monotonic()
        if now - self._last_ping > PING_SECONDS:
            self._last_ping = now
            for name in self.fleet.present:
                self._by_name[name].ping(self._session)
        if now - self._last_greeting > GREET_SECONDS:
            self._last_greeting = now
            self.fleet = self.fleet.rested(now)
            for name in self.fleet.awaited:
                self._by_name[name].greet(self._session)

    def _note(self, board: str, message: AnyMessage) -> None:
        if isinstance(message, Welcome):
            self.fleet = self.fleet.joined(board)
        elif isinstance(message, Refused) and message.epoch == NO_EPOCH:
            if message.busy:
                self.fleet = self.fleet.unavailable(board, message.reason, busy=True)
            else:
                self.fleet = self.fleet.barred(board, message.reason)
