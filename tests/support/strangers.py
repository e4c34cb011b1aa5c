"""What strangers do to a worker, some seconds each, and how it stands that."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import zmq
from processes import RunningWorker
from talking import hear

from edgeseg_runtime.messaging.curve_sockets import present_keys
from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.messaging.peer_socket import PeerSocket
from edgeseg_runtime.messaging.wire import Ping, Pong

_NULL = b"NULL".ljust(20, b"\0")
_CURVE = b"CURVE".ljust(20, b"\0")
_READY = b"\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
_LONG_COMMAND, _LONG_MESSAGE, _LONG_MORE = 6, 2, 3
_BLOCK = bytes(2**16)
_TINY_PARTS = b"\x01\x01x" * 2**14
"""Frames of one byte, each of which says that more will come."""


def huge_frames(endpoint: str, seconds: float, *, keyed: bool, count: int, size: int) -> None:
    """Announce a frame of so many bytes over each of some connections, and send it.

    Parameters
    ----------
    endpoint, seconds
        Whom, and for how long.
    keyed
        Whether it listens with keys: then the frame is a command of the handshake.
    count, size
        Connections, and bytes of each frame.
    """
    flags = _LONG_COMMAND if keyed else _LONG_MESSAGE
    announcement = greeting(keyed=keyed) + struct.pack(">BQ", flags, size)
    _pour(endpoint, seconds, [announcement] * count, _BLOCK)


def endless_parts(endpoint: str, seconds: float, *, count: int, tiny: bool) -> None:
    """Send messages whose last part never comes to a worker without keys."""
    block = _TINY_PARTS if tiny else struct.pack(">BQ", _LONG_MORE, len(_BLOCK)) + _BLOCK
    _pour(endpoint, seconds, [greeting(keyed=False)] * count, block)


def many_parts_with_keys(
    endpoint: str, seconds: float, keys: KeyPair, server_key: str, *, tiny: bool
) -> None:
    """Send messages of very many parts with a key that the worker knows."""
    part, count = (b"x", 500_000) if tiny else (_BLOCK, 4_000)
    deadline = time.monotonic() + seconds
    with zmq.Context() as context, context.socket(zmq.DEALER) as link:
        link.setsockopt(zmq.LINGER, 0)
        link.setsockopt(zmq.SNDHWM, 1)
        link.setsockopt(zmq.SNDTIMEO, 200)
        present_keys(link, keys, server_key)
        link.connect(endpoint)
        while time.monotonic() < deadline:
            with suppress(zmq.Again):
                for _ in range(count):
                    link.send(part, zmq.SNDMORE, copy=tiny)
                link.send(b"")


def idle_connections(endpoint: str, count: int) -> ExitStack:
    """Open connections that say nothing; they are closed with what is returned."""
    where, stack = urlsplit(endpoint), ExitStack()
    for _ in range(count):
        with suppress(OSError):
            stack.enter_context(socket.create_connection((where.hostname, where.port), 2))
    return stack


def greeting(*, keyed: bool) -> bytes:
    """Return a handshake by hand, for frames that no library would send.

    With keys it is the beginning alone; what follows would be a command.
    """
    mechanism = _CURVE if keyed else _NULL
    beginning = b"\xff" + bytes(8) + b"\x7f\x03\x00" + mechanism + bytes(32)
    return beginning if keyed else beginning + _READY


def withstood(
    worker: RunningWorker, link: PeerSocket, attack: Callable[[], object]
) -> tuple[int, float]:
    """Attack a worker, while its coordinator goes on asking.

    Returns
    -------
    int, float
        By how many bytes the peak of the worker's memory grew, and the longest wait for an answer.
    """
    before, slowest = worker.peak_bytes, 0.0
    attacking = threading.Thread(target=attack)
    attacking.start()
    while attacking.is_alive():
        asked = time.monotonic()
        link.send(Ping("test"))
        hear(link, Pong)
        slowest = max(slowest, time.monotonic() - asked)
        time.sleep(0.1)
    return worker.peak_bytes - before, slowest


def _pour(endpoint: str, seconds: float, greetings: Sequence[bytes], block: bytes) -> None:
    """Send blocks over several connections in turn; one that is cut is opened again."""
    deadline = time.monotonic() + seconds
    links = [_Link(endpoint, greeting) for greeting in greetings]
    while time.monotonic() < deadline:
        for link in links:
            link.send(block)
    for link in links:
        link.close()


class _Link:
    """A TCP connection that is opened whenever there is something to send."""

    def __init__(self, endpoint: str, greeting: bytes) -> None:
        where = urlsplit(endpoint)
        self._address = (where.hostname, where.port)
        self._greeting = greeting
        self._socket: socket.socket | None = None

    def send(self, block: bytes) -> None:
        """Send a block; if the other side has hung up, the next is sent over a new connection."""
        try:
            self._socket = self._socket or self._opened()
            self._socket.sendall(block)
        except OSError:
            self.close()

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _opened(self) -> socket.socket:
        link = socket.create_connection(self._address, 2)
        link.settimeout(0.5)
        link.sendall(self._greeting)
        # It hangs up on who sends a frame before its own greeting has come.
        link.recv(64)
        return link
