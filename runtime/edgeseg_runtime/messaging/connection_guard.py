"""Cuts connections that send what nobody takes, and keeps few enough of them open.

ZeroMQ limits the bytes of one frame, but neither the frames of a message nor the connections to a
socket, and none of that can be read before it is held. What a connection has brought is told by
the kernel, what of it was taken by the message loop.
"""

import fcntl
import select
import socket
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import zmq

from edgeseg_runtime.messaging.transport import UNREAD_PARTS
from edgeseg_runtime.messaging.wire import MAX_HEADER_BYTES
from edgeseg_runtime.messaging.wire.parts import PART_BYTES

MAX_CONNECTIONS = 64
"""Connections to one listening socket; a further one ends that which was silent for longest."""

CONNECTIONS_BYTES = 8 * 2**20
"""What all connections may take, whoever is behind them; to be kept free for them."""

_MAX_STRANGERS = 32
"""Connections over which nothing was ever sent whole; each may cost the memory of a frame."""

_INCOMPLETE_BYTES = MAX_HEADER_BYTES + PART_BYTES + 2**14
"""What a connection may have brought of one part that is not complete."""

_UNREAD_BYTES = _INCOMPLETE_BYTES + (UNREAD_PARTS + 1) * (PART_BYTES + 2**12)
"""The same, with the parts that wait while the message loop does something else."""

_STRANGERS_BYTES = 2**20
"""What all connections together may have brought of parts, of which none has ever been complete."""

_UNREAD_STRANGERS_BYTES = 6 * 2**20
"""The same, with the parts that wait while the message loop does something else."""

_NOTEWORTHY_BYTES = 16 * 2**10

_LOOK_SECONDS = 0.005
_BYTES_RECEIVED = struct.Struct("=Q")
_BYTES_RECEIVED_AT = 128
"""``tcpi_bytes_received`` in Linux's ``struct tcp_info``."""

_OPENED = zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED
_CLOSED = zmq.EVENT_CLOSED | zmq.EVENT_DISCONNECTED
_EVENT = struct.Struct("=Hi")


class _Connection:
    """One TCP connection of a socket, looked at from outside; it is ZeroMQ's to close."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        try:
            self._ends = self._socket.getsockname(), self._socket.getpeername()
        except OSError:
            self._socket.detach()
            raise
        self.since = time.monotonic()
        self.taken = 0
        self.bytes_then = self._bytes_at_last_taking = 0
        self.bytes_now = 0

    @property
    def pending_bytes(self) -> int:
        """Bytes that came since a message was last taken."""
        return self.bytes_now - self._bytes_at_last_taking

    @property
    def older_pending_bytes(self) -> int:
        """Those of them that were here at the look before."""
        return self.bytes_then - self._bytes_at_last_taking

    def look(self, taken: int) -> bool:
        """Note what has come, and how many parts were taken in all; return whether it is open."""
        try:
            info = self._socket.getsockopt(
                socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED_AT + _BYTES_RECEIVED.size
            )
            unread = fcntl.ioctl(self._socket.fileno(), termios.FIONREAD, bytes(4))
        except OSError:
            return False
        if len(info) < _BYTES_RECEIVED_AT + _BYTES_RECEIVED.size:
            return True  # an old kernel or an emulator counts no bytes: only connections are
        (received,) = _BYTES_RECEIVED.unpack_from(info, _BYTES_RECEIVED_AT)
        self.bytes_then = self.bytes_now
        self.bytes_now = received - int.from_bytes(unread, sys.byteorder)
        if taken != self.taken:
            self.taken, self._bytes_at_last_taking = taken, self.bytes_now
        return True

    def cut(self) -> None:
        """End the connection, unless its descriptor has become that of another."""
        with suppress(OSError):
            if (self._socket.getsockname(), self._socket.getpeername()) == self._ends:
                self._socket.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Leave the descriptor to ZeroMQ."""
        self._socket.detach()


class ConnectionGuard:
    """Watches the TCP connections of one socket in a thread of its own.

    While nothing comes in, the thread sleeps; else it looks every five milliseconds. Whoever
    reads the socket says so with :meth:`took` and :meth:`drained`.

    Parameters
    ----------
    watched
        The socket; its monitor must not be in use.
    wake
        Called in the guard's thread when the socket should be read soon, to tell parts that wait
        from those that are incomplete.
    most
        Connections that may be open at once.
    """

    def __init__(
        self,
        watched: "zmq.Socket[bytes]",
        wake: Callable[[], None],
        most: int = MAX_CONNECTIONS,
    ) -> None:
        self._watched = watched
        self._wake = wake
        self._most = most
        self._monitor = watched.get_monitor_socket(_OPENED | _CLOSED | zmq.EVENT_MONITOR_STOPPED)
        self._epoll = select.epoll()
        self._connections: dict[int, _Connection] = {}
        self._taken: dict[int, int] = {}
        self._heard: dict[int, float] = {}
        self._drains = self._drains_then = 0
        self._thread = threading.Thread(target=self._run, name="edgeseg-guard", daemon=True)
        self._thread.start()

    def took(self, descriptor: int) -> None:
        """Note that a message of a connection was taken."""
        self._taken[descriptor] = self._taken.get(descriptor, 0) + 1
        self._heard[descriptor] = time.monotonic()

    def drained(self) -> None:
        """Note that there was no message left."""
        self._drains += 1

    def cut(self, descriptor: int) -> None:
        """End a connection."""
        connection = self._connections.get(descriptor)
        if connection is not None:
            connection.cut()

    def close(self) -> None:
        """End the thread; to be called before the socket is closed."""
        self._watched.disable_monitor()
        self._thread.join()

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._monitor, zmq.POLLIN)
        poller.register(self._epoll.fileno(), zmq.POLLIN)
        with self._monitor, self._epoll, suppress(zmq.ContextTerminated):
            while True:
                poller.poll()
                if not self._note_events():
                    break
                active = [descriptor for descriptor, _ in self._epoll.poll(0)]
                self._look()
                time.sleep(_LOOK_SECONDS)
                for descriptor in active:
                    # One that was closed meanwhile is no longer in the set.
                    with suppress(OSError):
                        self._epoll.modify(descriptor, select.EPOLLIN | select.EPOLLONESHOT)
        for connection in self._connections.values():
            connection.forget()

    def _note_events(self) -> bool:
        """Note which connections were opened and closed; return False once that has an end."""
        while self._monitor.poll(0):
            frame, *_ = self._monitor.recv_multipart()
            event, descriptor = _EVENT.unpack(frame)
            if event == zmq.EVENT_MONITOR_STOPPED:
                return False
            if event & _OPENED:
                self._forget(descriptor)
                self._add(descriptor)
            elif event & _CLOSED:
                self._forget(descriptor)
        return True

    def _add(self, descriptor: int) -> None:
        # What is closed again already, or no TCP connection, needs no watching.
        with suppress(OSError):
            connection = _Connection(descriptor)
            self._connections[descriptor] = connection
            self._epoll.register(descriptor, select.EPOLLIN | select.EPOLLONESHOT)
        strangers = sum(name not in self._heard for name in self._connections)
        if strangers > _MAX_STRANGERS or len(self._connections) > self._most:
            self._cut(min(self._connections, key=self._precedence))

    def _precedence(self, descriptor: int) -> tuple[float, float]:
        """Return when a connection was last heard; those never heard come first, by their age."""
        return self._heard.get(descriptor, 0.0), self._connections[descriptor].since

    def _forget(self, descriptor: int) -> None:
        connection = self._connections.pop(descriptor, None)
        self._taken.pop(descriptor, None)
        self._heard.pop(descriptor, None)
        if connection is not None:
            connection.forget()

    def _cut(self, descriptor: int) -> None:
        self._connections[descriptor].cut()
        self._forget(descriptor)

    def _look(self) -> None:
        """Look at every connection, and cut those that have brought too much."""
        drained, self._drains_then = self._drains != self._drains_then, self._drains
        for descriptor, connection in list(self._connections.items()):
            if not connection.look(self._taken.get(descriptor, 0)):
                self._forget(descriptor)
        excessive = _excessive(self._connections, drained=drained)
        for descriptor in excessive:
            self._cut(descriptor)
        if not drained and any(
            connection.pending_bytes > _NOTEWORTHY_BYTES
            for connection in self._connections.values()
        ):
            self._wake()


def _excessive(connections: Mapping[int, _Connection], *, drained: bool) -> list[int]:
    """Return the connections that have brought more than they may.

    Parameters
    ----------
    connections
        By descriptor.
    drained
        Whether all complete parts were taken since the look before.
    """
    single, together = (
        (_INCOMPLETE_BYTES, _STRANGERS_BYTES)
        if drained
        else (_UNREAD_BYTES, _UNREAD_STRANGERS_BYTES)
    )
    pending = {
        descriptor: connection.older_pending_bytes if drained else connection.pending_bytes
        for descriptor, connection in connections.items()
    }
    strangers = {
        descriptor: pending[descriptor]
        for descriptor, connection in connections.items()
        if not connection.taken
    }
    excessive = {descriptor for descriptor, count in pending.items() if count > single}
    if sum(strangers.values()) > together:
        excessive |= {name for name, count in strangers.items() if count > _NOTEWORTHY_BYTES}
    return sorted(excessive)
