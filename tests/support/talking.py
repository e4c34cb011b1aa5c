"""Speaking the wire protocol by hand, for tests of one side of it."""

import time
from types import TracebackType
from typing import Any, TypeVar

import zmq
from typing_extensions import Self

from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.messaging.listener import Listener
from edgeseg_runtime.messaging.peer_socket import PeerSocket
from edgeseg_runtime.messaging.wire import PROTOCOL, AnyMessage, Hello, Refused, Welcome, encode
from edgeseg_runtime.messaging.wire.parts import cut

_T = TypeVar("_T")


def hear(link: PeerSocket, kind: type[_T] | tuple[type[_T], ...], seconds: float = 10.0) -> _T:
    """Wait for the next message of that kind, or those; others are let pass, unless they refuse."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        link.socket.poll(100)
        while (got := link.receive()) is not None:
            message, _ = got
            if isinstance(message, kind):
                return message
            assert not isinstance(message, Refused), message.reason
    raise AssertionError(f"no {kind} in {seconds} s")


def frames_of(message: AnyMessage, payload: bytes = b"", first: int = 0) -> list[bytes]:
    """Return the frames of a message that is one part, for a socket that sends frames."""
    (frames,) = cut(encode(message), memoryview(payload), first, sealed=False)
    return [bytes(frame) for frame in frames]


def greet(link: PeerSocket, session: str = "test") -> Welcome:
    """Become the coordinator of a worker."""
    link.send(Hello(session, PROTOCOL))
    return hear(link, Welcome)


def refusal(link: PeerSocket, message: AnyMessage) -> str:
    """Send what must be refused, and return why."""
    link.send(message)
    return hear(link, Refused).reason


class Sockets:
    """Opens sockets of every kind and closes them with the block."""

    def __init__(self) -> None:
        self._context: zmq.Context[Any] = zmq.Context()
        self._open: list[Any] = []

    def __enter__(self) -> Self:
        """Begin with none."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close them all."""
        for socket in self._open:
            socket.close()
        self._context.term()

    def listener(self, endpoint: str = "tcp://127.0.0.1:*") -> Listener:
        """Listen, on a free port of this machine unless told otherwise."""
        return self._kept(Listener(self._context, endpoint))

    def link(
        self,
        endpoint: str,
        keys: KeyPair | None = None,
        server_key: str | None = None,
        *,
        watched: bool = False,
    ) -> PeerSocket:
        """Connect to a listener."""
        return self._kept(PeerSocket(self._context, endpoint, keys, server_key, watched=watched))

    def raw(self, endpoint: str, most_waiting: int = 1000) -> "zmq.Socket[bytes]":
        """Connect a socket that sends whatever frames it is given."""
        socket: zmq.Socket[bytes] = self._kept(self._context.socket(zmq.DEALER))
        socket.setsockopt(zmq.LINGER, 200)
        socket.setsockopt(zmq.SNDHWM, most_waiting)
        socket.connect(endpoint)
        return socket

    def _kept(self, socket: _T) -> _T:
        self._open.append(socket)
        return socket
