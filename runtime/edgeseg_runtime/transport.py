"""ZeroMQ sockets that speak in messages: one that listens, and one per board that is talked to."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, TypeAlias

import numpy as np
import zmq
from numpy.typing import NDArray

from edgeseg.errors import BoardError, UsageError
from edgeseg_runtime.wire import AnyMessage, decode, encode

_MAX_FRAME_BYTES = 2**31 - 1
_LINGER_MS = 200
_TCP = re.compile(r"tcp://(?P<host>[\w.*-]+|\[[\w.:]+\]):(?P<port>\*|\d{1,5})", re.ASCII)

Payload: TypeAlias = NDArray[Any] | bytes | memoryview


@dataclass(frozen=True)
class Received:
    """A message as it came in; ``sender`` answers through :meth:`Listener.send`."""

    sender: bytes
    message: AnyMessage
    payload: memoryview


def normalize_endpoint(text: str) -> str:
    """Return ``tcp://HOST:PORT`` for an endpoint written with or without the scheme.

    Raises
    ------
    UsageError
        If it is neither a TCP nor an ipc endpoint.
    """
    endpoint = text if "://" in text else f"tcp://{text}"
    if endpoint.startswith("ipc://") and len(endpoint) > len("ipc://"):
        return endpoint
    match = _TCP.fullmatch(endpoint)
    if match is None or (match["port"] != "*" and int(match["port"]) > 65535):
        raise UsageError(f"{text!r} is no endpoint; write it like tcp://192.168.1.20:7355")
    return endpoint


def is_local(endpoint: str) -> bool:
    """Tell whether an endpoint can be reached from this machine only."""
    match = _TCP.fullmatch(endpoint)
    if match is None:
        return endpoint.startswith("ipc://")
    host = match["host"].strip("[]")
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # the name of some machine
        return False


class _Socket:
    """What both kinds of socket share: counted bytes, no queue limit of ZeroMQ's own.

    Queues are bounded by the window of slices in flight, end to end.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], kind: int) -> None:
        self.socket = context.socket(kind)
        self.socket.set_hwm(0)
        self.socket.setsockopt(zmq.LINGER, _LINGER_MS)
        self.socket.setsockopt(zmq.MAXMSGSIZE, _MAX_FRAME_BYTES)
        self.reset_counts()

    def reset_counts(self) -> None:
        """Count sent and received bytes from here on."""
        self.sent_bytes = 0
        self.received_bytes = 0

    def close(self) -> None:
        """Close the socket; what is still to be sent is given a moment."""
        self.socket.close()

    def _send(self, frames: list[Any], payload: Payload | None) -> None:
        for frame in frames:
            self.sent_bytes += len(frame)
        if payload is None:
            self.socket.send_multipart(frames)
            return
        buffer = payload.data if isinstance(payload, np.ndarray) else memoryview(payload)
        self.sent_bytes += buffer.nbytes
        self.socket.send_multipart(frames, flags=zmq.SNDMORE)
        self.socket.send(buffer, copy=False)

    def _receive(self) -> list[memoryview] | None:
        """Return the frames of the next message that has come in, or None."""
        try:
            frames = [f.buffer for f in self.socket.recv_multipart(zmq.NOBLOCK, copy=False)]
        except zmq.Again:
            return None
        self.received_bytes += sum(len(frame) for frame in frames)
        return frames


class Listener(_Socket):
    """The one socket on which a worker hears coordinator and peers.

    Raises
    ------
    BoardError
        If the endpoint can't be bound, such as a port that is taken.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> None:
        super().__init__(context, zmq.ROUTER)
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
        return None if frames is None else Received(bytes(frames[0]), *_parse(frames[1:]))


class Link(_Socket):
    """A connection to one board.

    Raises
    ------
    BoardError
        If there can be no board at that endpoint.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> None:
        super().__init__(context, zmq.DEALER)
        try:
            self.socket.connect(endpoint)
        except zmq.ZMQError as error:
            self.socket.close()
            raise BoardError(
                f"can't connect to {endpoint} ({zmq.strerror(error.errno or 0).lower()}); "
                "give the address and port of a worker"
            ) from None
        self.endpoint = endpoint

    def send(self, message: AnyMessage, payload: Payload | None = None) -> None:
        """Send a message; a payload must not be changed afterwards."""
        self._send([encode(message)], payload)

    def receive(self) -> tuple[AnyMessage, memoryview] | None:
        """Return the next message, or None where there is none.

        Raises
        ------
        WireError
            If what came in breaks the protocol.
        """
        frames = self._receive()
        return None if frames is None else _parse(frames)


def _parse(frames: list[memoryview]) -> tuple[AnyMessage, memoryview]:
    header = frames[0] if frames else memoryview(b"")
    return decode(header), frames[1] if len(frames) > 1 else memoryview(b"")
