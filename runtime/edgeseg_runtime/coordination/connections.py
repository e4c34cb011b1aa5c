"""Links to the boards of a run: greets them, keeps in touch, and notices who has come or gone."""

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import zmq

from edgeseg.boards.boards_file import Board, BoardEntry
from edgeseg.errors import BoardError, UsageError
from edgeseg_runtime.coordination.board_connection import BoardConnection
from edgeseg_runtime.coordination.fleet import Fleet
from edgeseg_runtime.messaging.endpoints import normalize_endpoint
from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.messaging.transport import Payload, PeerSocket
from edgeseg_runtime.messaging.wire import (
    HELD_SECONDS,
    NO_EPOCH,
    AnyMessage,
    Bye,
    Peer,
    Pong,
    Refused,
    Welcome,
)

CONNECT_SECONDS = 5.0
GREET_SECONDS = 1.0
"""How often boards that are not there are asked for."""

PING_SECONDS = 0.5
SILENCE_SECONDS = 2.0
"""A board unheard of for so long is lost: ten times what a worker may take to answer.

A worker that ends, or a machine that says so, is noticed at once; silence is left to those that
freeze and to cables. Less would take a moment of a busy machine for a loss, and more would keep
the other boards waiting.
"""

Received = tuple[str, AnyMessage, memoryview]
"""The board's name, its message, and the message's payload."""

_T = TypeVar("_T")


class BoardsLostError(BoardError):
    """Boards that are needed have gone, or can't or won't do their part."""


class Connections:
    """One link to each board, for one session; to be closed after use.

    Parameters
    ----------
    entries
        The boards.
    keys
        This machine's own, for boards that have a public key.

    Attributes
    ----------
    fleet
        Which of them are there, as of the last turn.

    Raises
    ------
    BoardError
        If two boards have one address, or there can be no board at one.
    UsageError
        If a board has a public key, and this machine has none.
    """

    def __init__(self, entries: Sequence[BoardEntry], keys: KeyPair | None = None) -> None:
        _check_keys(entries, keys)
        self._session = secrets.token_hex(16)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._poller = zmq.Poller()
        self._contacts: dict[str, BoardConnection] = {}
        self._last_ping = self._last_greeting = 0.0
        self.fleet = Fleet.of(entry.name for entry in entries)
        try:
            for entry, endpoint in zip(entries, _endpoints(entries), strict=True):
                connect = partial(
                    PeerSocket, self._context, endpoint, keys, entry.public_key, watched=True
                )
                self._contacts[entry.name] = BoardConnection(entry, connect, self._poller)
            self.greet(self._contacts)
        except BaseException:
            self.close()
            raise

    @property
    def boards(self) -> tuple[Board, ...]:
        """The boards that have ever been there, as placement sees them."""
        boards = (contact.board for contact in self._contacts.values())
        return tuple(board for board in boards if board is not None)

    @property
    def peers(self) -> dict[str, Peer]:
        """Where each board listens, and its public key."""
        return {
            name: Peer(contact.link.endpoint, contact.entry.public_key)
            for name, contact in self._contacts.items()
        }

    @property
    def received_bytes(self) -> int:
        """Bytes that came back from the boards."""
        return sum(contact.received_bytes for contact in self._contacts.values())

    @property
    def given_up(self) -> bool:
        """Whether it was silent here for so long that workers may have dropped what they held."""
        return time.monotonic() - self._last_ping > HELD_SECONDS / 2

    @property
    def last_pongs(self) -> dict[str, Pong]:
        """What each board last said of how it fares."""
        return {name: c.pong for name, c in self._contacts.items() if c.pong is not None}

    def require(self, boards: Iterable[str]) -> None:
        """Raise a BoardsLostError that says which of these boards are not there, and why."""
        absent = self.fleet.absent
        told = [f"{name}: {absent[name]}" for name in boards if name in absent]
        if told:
            raise BoardsLostError("; ".join(told))

    def greet(self, boards: Iterable[str]) -> None:
        """Say hello to boards and wait until each has answered, or five seconds have passed."""
        waiting = set(boards)
        for name in waiting:
            self._contacts[name].greet(self._session, again=True)
        deadline = time.monotonic() + CONNECT_SECONDS
        while waiting and time.monotonic() < deadline:
            for name, message, _ in self.turn():
                if isinstance(message, (Welcome, Refused)):
                    waiting.discard(name)
            waiting -= {name for name in waiting if self._contacts[name].link.refusal}
        for name in waiting - set(self.fleet.present):
            address = self._contacts[name].entry.address
            reason = f"no worker answers at {address} (edgeseg worker --listen starts one there)"
            self.fleet = self.fleet.missed(name, reason)

    def send(self, board: str, message: AnyMessage, payload: Payload | None = None) -> None:
        """Send a board a message."""
        self._contacts[board].send(message, payload)

    def turn(self) -> list[Received]:
        """Call where it is time, and return what has come, waiting a moment for the first."""
        self._call()
        self._poller.poll(round(PING_SECONDS * 1000))
        received: list[Received] = []
        for name, contact in self._contacts.items():
            for message, payload in contact.hear():
                self._note(name, message)
                received.append((name, message, payload))
            refusal = contact.link.refusal
            # A worker that dies breaks off handshakes too: why it was lost says more.
            if refusal and name in self.fleet.awaited and not self.fleet.standings[name].losses:
                self.fleet = self.fleet.missed(name, refusal)
            trouble = contact.trouble(SILENCE_SECONDS)
            if trouble and name in self.fleet.present:
                self.fleet = self.fleet.lost(name, trouble)
                contact.renew()
        return received

    def ask(
        self, questions: Mapping[str, AnyMessage], kind: type[_T], payload: Payload | None = None
    ) -> dict[str, _T]:
        """Send boards a message each and wait for their answers of a kind; others are dropped.

        Raises
        ------
        BoardsLostError
            If one of the boards is lost.
        """
        for board, message in questions.items():
            self.send(board, message, payload)
        answers: dict[str, _T] = {}
        while len(answers) < len(questions):
            heard = self.turn()
            answers |= {n: a for n, a, _ in heard if n in questions and isinstance(a, kind)}
            self.require(questions)
        return answers

    def pongs(self) -> dict[str, Pong]:
        """Ask every board that is there how it fares; return what they answer."""
        for contact in self._contacts.values():
            contact.pong = None
        self._last_ping = 0.0
        while any(self._contacts[name].pong is None for name in self.fleet.present):
            self.turn()
        return self.last_pongs

    def versions(self) -> dict[str, dict[str, str]]:
        """Return what runs on each board."""
        return {n: c.welcome.versions for n, c in self._contacts.items() if c.welcome}

    def leave_out(self, board: str, reason: str) -> None:
        """Go on without a board that can't or won't do its part; others may use it."""
        self.fleet = self.fleet.barred(board, reason)
        self._contacts[board].dismiss(self._session)

    def close(self) -> None:
        """Release the boards and close the sockets."""
        for contact in self._contacts.values():
            contact.link.send(Bye(self._session))
            contact.close()
        self._context.term()

    def _call(self) -> None:
        """Ping those that are there, and greet those that may come."""
        now = time.monotonic()
        if now - self._last_ping > PING_SECONDS:
            self._last_ping = now
            for name in self.fleet.present:
                self._contacts[name].ping(self._session)
        if now - self._last_greeting > GREET_SECONDS:
            self._last_greeting = now
            for name in self.fleet.awaited:
                self._contacts[name].greet(self._session)

    def _note(self, board: str, message: AnyMessage) -> None:
        if isinstance(message, Welcome):
            self.fleet = self.fleet.came(board)
        elif isinstance(message, Refused) and message.epoch == NO_EPOCH:
            if message.busy:
                self.fleet = self.fleet.missed(board, message.reason, busy=True)
            else:
                self.fleet = self.fleet.barred(board, message.reason)


def _check_keys(entries: Sequence[BoardEntry], keys: KeyPair | None) -> None:
    for entry in entries:
        if entry.public_key is not None and keys is None:
            raise UsageError(
                f"{entry.name} has a public_key, so this machine needs a key too; make one with "
                "edgeseg keygen and copy its public file to the board"
            )


def _endpoints(entries: Sequence[BoardEntry]) -> list[str]:
    """Return where the boards listen, each somewhere else."""
    endpoints = [normalize_endpoint(entry.address) for entry in entries]
    for entry, endpoint in zip(entries, endpoints, strict=True):
        if endpoints.count(endpoint) > 1:
            raise BoardError(f"two boards listen at {entry.address}; give each board once")
    return endpoints
