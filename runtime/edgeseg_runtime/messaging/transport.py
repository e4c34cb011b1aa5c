"""What all ZeroMQ sockets of edgeseg share: messages in parts, counted and bounded."""

from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np
import zmq
from numpy.typing import NDArray

from edgeseg_runtime.messaging.wire import AnyMessage, encode
from edgeseg_runtime.messaging.wire.parts import MAX_FRAME_BYTES, cut, part_count

UNREAD_PARTS = 6
"""Parts of one sender that ZeroMQ holds until they are read; then TCP holds the sender up.

They are held before anybody looks at them. Both sides read whatever has come at every turn, and
sending never waits, so that few are enough.
"""

PARTS_AT_ONCE = 128
"""Parts that are read before others have their turn: a payload need not ever be complete."""

_HANDSHAKE_MS = 3000
_LINGER_MS = 200

Payload: TypeAlias = NDArray[Any] | bytes | memoryview


class MessageSocket:
    """A ZeroMQ socket that counts bytes, and bounds what comes in.

    Parameters
    ----------
    context, kind
        Where the socket is opened, and its ZeroMQ type.
    sealed
        Whether its connections are encrypted.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], kind: int, *, sealed: bool) -> None:
        self.socket = context.socket(kind)
        self.socket.setsockopt(zmq.RCVHWM, UNREAD_PARTS)
        self.socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
        self.socket.setsockopt(zmq.LINGER, _LINGER_MS)
        # It holds for frames of a handshake too, which anybody may send.
        self.socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
        self._sealed = sealed
        self.reset_counts()

    def reset_counts(self) -> None:
        """Count sent and received bytes from here on."""
        self.sent_bytes = 0
        self.received_bytes = 0

    def close(self) -> None:
        """Close the socket; ZeroMQ has a moment to send what is queued."""
        self.socket.close()

    def _send(
        self, address: list[bytes], message: AnyMessage, payload: Payload | None, first: int
    ) -> int:
        """Send a message in parts.

        Parameters
        ----------
        address
            The frame that ZeroMQ finds the recipient by, where the socket has several.
        message, payload
            What is sent; the payload must not be changed afterwards.
        first
            How many parts went the same way before.

        Returns
        -------
        int
            How many parts have gone that way now.
        """
        header = encode(message)
        data = _bytes_of(payload)
        # Where a handshake was refused nothing can ever be sent: drop it rather than wait.
        with suppress(zmq.Again):
            for frames in cut(header, data, first, sealed=self._sealed):
                flags = [zmq.NOBLOCK | zmq.SNDMORE] * len(frames)
                flags[-1] = zmq.NOBLOCK
                for frame in address:
                    self.socket.send(frame, zmq.NOBLOCK | zmq.SNDMORE)
                for frame, flag in zip(frames, flags, strict=True):
                    self.socket.send(frame, flag, copy=isinstance(frame, bytes))
                self.sent_bytes += sum(len(frame) for frame in (*address, *frames))
        return first + part_count(data)

    def _receive_frames(self) -> list[zmq.Frame] | None:
        """Return the frames of the next part that has come in, or None."""
        try:
            frames = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return None
        self.received_bytes += sum(len(frame) for frame in frames)
        return frames


def _bytes_of(payload: Payload | None) -> memoryview:
    """View a payload as bytes."""
    if payload is None:
        return memoryview(b"")
    if isinstance(payload, np.ndarray):
        return payload.reshape(-1).view(np.uint8).data
    return memoryview(payload).cast("B")
