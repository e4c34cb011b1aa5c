"""ZeroMQ sockets that speak in messages: one that listens, and one per board that is talked to."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import zmq
from numpy.typing import NDArray

from edgeseg.errors import BoardError, WireError
from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.messaging.wire import AnyMessage, decode, encode
from edgeseg_runtime.messaging.zap_auth import REFUSALS, guard, unlock

_MAX_FRAME_BYTES = 2**31 - 1
_WAITING = 16
"""Most messages of one sender that ZeroMQ holds until they are read; then TCP holds the sender up.

Small, since whoever may send decides how large a message is. It can't stop the work: both sides
read whatever has come at every turn, and sending never waits.
"""

_UNREAD = 2000
"""Most answers that wait for somebody to read them; more are dropped.

Far more than there are slices in flight with a coordinator, and little memory for a stranger who
only asks.
"""

_MAX_FRAMES = 2
_HANDSHAKE_MS = 5000
_LINGER_MS = 200
_WATCHED = {
    zmq.CONNECT_TIMEOUT: 2000,
    zmq.TCP_MAXRT: 5000,
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 5,
    zmq.TCP_KEEPALIVE_INTVL: 1,
    zmq.TCP_KEEPALIVE_CNT: 3,
}
"""Left to itself TCP tries for minutes to reach a machine that has lost its power."""

Payload: TypeAlias = NDArray[Any] | bytes | memoryview


@dataclass(frozen=True)
class Received:
    """A message as it came in; ``sender`` answers through :meth:`Listener.send`."""

    sender: bytes
    message: AnyMessage
    payload: memoryview
    key: str | None = None
    """The public key that the sender has proved to own; None where no keys are in use."""


class _Socket:
    """What both kinds of socket share: counted bytes, and bounds on what comes in."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], kind: int, largest: int = _MAX_FRAME_BYTES
    ) -> None:
        self.socket = context.socket(kind)
        self.socket.setsockopt(zmq.RCVHWM, _WAITING)
        self.socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
        self.socket.setsockopt(zmq.LINGER, _LINGER_MS)
        self.socket.setsockopt(zmq.MAXMSGSIZE, min(largest, _MAX_FRAME_BYTES))
        self.reset_counts()

    def reset_counts(self) -> None:
        """Count sent and received bytes from here on."""
        self.sent_bytes = 0
        self.received_bytes = 0

    def close(self) -> None:
        """Close the socket; what is still to be sent is given a moment."""
        self.socket.close()

    def _send(self, frames: list[Any], payload: Payload | None) -> None:
        # Where a handshake was refused nothing can ever be sent: it is dropped, not waited for.
        with suppress(zmq.Again):
            if payload is None:
                self.socket.send_multipart(frames, zmq.NOBLOCK)
            else:
                buffer = payload.data if isinstance(payload, np.ndarray) else memoryview(payload)
                self.socket.send_multipart(frames, zmq.NOBLOCK | zmq.SNDMORE)
                self.socket.send(buffer, zmq.NOBLOCK, copy=False)
                self.sent_bytes += buffer.nbytes
            self.sent_bytes += sum(len(frame) for frame in frames)

    def _receive(self) -> list[zmq.Frame] | None:
        """Return the frames of the next message that has come in, or None."""
        try:
            frames = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return None
        self.received_bytes += sum(len(frame) for frame in frames)
        return frames


class Listener(_Socket):
    """The one socket on which a worker hears coordinator and peers.

    Parameters
    ----------
    keys
        With them it speaks with those alone whom the :class:`Gate` of the context lets in.
    largest
        Bytes of a frame for which there is room; whoever announces more is cut off before
        memory is taken for it.

    Raises
    ------
    BoardError
        If the endpoint can't be bound, such as a port that is taken.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        keys: KeyPair | None = None,
        largest: int = _MAX_FRAME_BYTES,
    ) -> None:
        super().__init__(context, zmq.ROUTER, largest)
        self.socket.setsockopt(zmq.SNDHWM, _UNREAD)
        self._guarded = keys is not None
        if keys is not None:
            guard(self.socket, keys)
        try:
            self.socket.bind(endpoint)
        except zmq.ZMQError as error:
            self.socket.close()
            raise BoardError(
                f"can't listen on {endpoint} ({zmq.strerror(error.errno or 0).lower()}); "
                "choose another address or port"
            ) from None
        self.endpoint = str(self.socket.get_string(zmq.LAST_ENDPOINT)).rstrip("\0")

    def send(
        self,
        recipient: bytes,
        message: AnyMessage,
        payload: Payload | None = None,
    ) -> None:
        """Answer somebody who has written; to somebody who has gone it is dropped."""
        self._send([recipient, encode(message)], payload)

    def receive(self) -> Received | None:
        """Return the next message, or None where there is none.

        Raises
        ------
        WireError
            If what came in breaks the protocol.
        """
        frames = self._receive()
        if frames is None:
            return None
        key = str(frames[-1].get("User-Id")) if self._guarded else None
        return Received(frames[0].bytes, *_parse(frames[1:]), key)


class PeerSocket(_Socket):
    """A connection to one board.

    Parameters
    ----------
    keys, server_key
        Own key pair and the board's public key: with both, each side proves that it has its
        secret, and all is encrypted.
    watched
        Notice when the connection is lost, and give up one over which nothing gets through.

    Raises
    ------
    BoardError
        If there can be no board at that endpoint.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        keys: KeyPair | None = None,
        server_key: str | None = None,
        *,
        watched: bool = False,
    ) -> None:
        super().__init__(context, zmq.DEALER)
        # The window bounds what is on its way to a board; a limit here would drop some of it.
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.monitor = self._watch() if watched else None
        self._broken = False
        self._refusal: str | None = None
        try:
            if keys is not None and server_key is not None:
                unlock(self.socket, keys, server_key)
            self.socket.connect(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise BoardError(
                f"can't connect to {endpoint} ({zmq.strerror(error.errno or 0).lower()}); "
                "give the address and port of a worker"
            ) from None
        self.endpoint = endpoint

    @property
    def broken(self) -> bool:
        """Whether a watched link has lost its connection since the last message came."""
        self._notice()
        return self._broken

    @property
    def refusal(self) -> str | None:
        """Why the handshake of a watched link came to nothing, as far as ZeroMQ tells."""
        self._notice()
        return self._refusal

    def send(self, message: AnyMessage, payload: Payload | None = None) -> None:
        """Send a message; a payload must not be changed afterwards."""
        self._send([encode(message)], payload)

    def abandon(self) -> None:
        """Close the socket and forget what is still to be sent."""
        self.socket.setsockopt(zmq.LINGER, 0)
        self.close()

    def close(self) -> None:
        """Close the socket; what is still to be sent is given a moment."""
        if self.monitor is not None and not self.monitor.closed:
            # In this order: libzmq's thread would wait for a reader that is gone.
            self.socket.disable_monitor()
            self.monitor.close()
        super().close()

    def receive(self) -> tuple[AnyMessage, memoryview] | None:
        """Return the next message, or None where there is none.

        Raises
        ------
        WireError
            If what came in breaks the protocol.
        """
        frames = self._receive()
        if frames is None:
            return None
        self._broken = False
        return _parse(frames)

    def _watch(self) -> zmq.Socket[bytes]:
        for option, value in _WATCHED.items():
            self.socket.setsockopt(option, value)
        return self.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | sum(REFUSALS))

    def _notice(self) -> None:
        if self.monitor is None:
            return
        # It brings asyncio, of which workers, who watch no link, need not hold 3 MiB.
        from zmq.utils.monitor import parse_monitor_message

        while self.monitor.poll(0):
            event = parse_monitor_message(self.monitor.recv_multipart())["event"]
            self._broken |= event == zmq.EVENT_DISCONNECTED
            self._refusal = REFUSALS.get(int(event), self._refusal)


def _parse(frames: list[zmq.Frame]) -> tuple[AnyMessage, memoryview]:
    if not 1 <= len(frames) <= _MAX_FRAMES:
        raise WireError(f"a message has a header and at most one payload, not {len(frames)} frames")
    payload = frames[1].buffer if len(frames) > 1 else memoryview(b"")
    return decode(frames[0].buffer), payload
