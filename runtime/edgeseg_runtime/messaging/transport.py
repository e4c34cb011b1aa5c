"""What all ZeroMQ sockets of edgeseg share: messages as frames, counted and bounded."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np
import zmq
from numpy.typing import NDArray

from edgeseg.errors import WireError
from edgeseg_runtime.messaging.wire import AnyMessage, decode

MAX_FRAME_BYTES = 2**31 - 1
_UNREAD_MESSAGES = 16
"""Messages of one sender that ZeroMQ holds until they are read; then TCP holds the sender up.

Small, since whoever may send decides how large a message is. It can't stop the work: both sides
read whatever has come at every turn, and sending never waits.
"""

_MAX_FRAMES = 2
_HANDSHAKE_MS = 5000
_LINGER_MS = 200

Payload: TypeAlias = NDArray[Any] | bytes | memoryview


class MessageSocket:
    """A ZeroMQ socket that counts bytes, and bounds what comes in.

    Parameters
    ----------
    context, kind
        Where the socket is opened, and its ZeroMQ type.
    largest
        Bytes of the largest frame that is received.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], kind: int, largest: int = MAX_FRAME_BYTES
    ) -> None:
        self.socket = context.socket(kind)
        self.socket.setsockopt(zmq.RCVHWM, _UNREAD_MESSAGES)
        self.socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
        self.socket.setsockopt(zmq.LINGER, _LINGER_MS)
        self.socket.setsockopt(zmq.MAXMSGSIZE, min(largest, MAX_FRAME_BYTES))
        self.reset_counts()

    def reset_counts(self) -> None:
        """Count sent and received bytes from here on."""
        self.sent_bytes = 0
        self.received_bytes = 0

    def close(self) -> None:
        """Close the socket; ZeroMQ has a moment to send what is queued."""
        self.socket.close()

    def _send(self, frames: list[Any], payload: Payload | None) -> None:
        # Where a handshake was refused nothing can ever be sent: drop it rather than wait.
        with suppress(zmq.Again):
            if payload is None:
                self.socket.send_multipart(frames, zmq.NOBLOCK)
            else:
                buffer = payload.data if isinstance(payload, np.ndarray) else memoryview(payload)
                self.socket.send_multipart(frames, zmq.NOBLOCK | zmq.SNDMORE)
                self.socket.send(buffer, zmq.NOBLOCK, copy=False)
                self.sent_bytes += buffer.nbytes
            self.sent_bytes += sum(len(frame) for frame in frames)

    def _receive_frames(self) -> list[zmq.Frame] | None:
        """Return the frames of the next message that has come in, or None."""
        try:
            frames = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return None
        self.received_bytes += sum(len(frame) for frame in frames)
        return frames


def parse_frames(frames: Sequence[zmq.Frame]) -> tuple[AnyMessage, memoryview]:
    """Return the message of a header frame, and the payload frame, empty if there is none.

    Raises
    ------
    WireError
        If there are more frames, or the header can't be read.
    """
    if not 1 <= len(frames) <= _MAX_FRAMES:
        raise WireError(f"a message has a header and at most one payload, not {len(frames)} frames")
    payload = frames[1].buffer if len(frames) > 1 else memoryview(b"")
    return decode(frames[0].buffer), payload
