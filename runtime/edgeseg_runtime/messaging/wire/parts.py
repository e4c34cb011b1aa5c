"""How one logical message, a header and its payload, is cut into parts, and put together again.

A part is one message of ZeroMQ: the header (in the first part alone), a fixed record that says
where the part belongs, and a piece of the payload, if there is one. ZeroMQ holds a message of
many frames until its last has come, so that only small messages can be bounded.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from xxhash import xxh3_64

from edgeseg.errors import WireError
from edgeseg_runtime.messaging.wire.codec import (
    MAX_HEADER_BYTES,
    AnyMessage,
    decode,
    foreign_message,
)

PART_BYTES = 256 * 1024
"""Bytes of a payload in one part."""

_RECORD = struct.Struct("<BxxxIQQQ")
_MARK = 0xC1
"""First byte of a record; no header of MessagePack begins with it."""

_CHECKED_BYTES = _RECORD.size - 8
_MOST_FRAMES = 3
_SEQUENCE_END = 2**32

MAX_FRAME_BYTES = max(PART_BYTES, MAX_HEADER_BYTES) + 1024
"""Bytes of the largest frame; encryption adds some to a part."""

LimitOf: TypeAlias = Callable[[AnyMessage], int]
"""Returns how many bytes of payload a message may bring."""


class DamagedError(WireError):
    """A part was changed or lost on its way: what the link brings can't be relied on."""


def cut(header: bytes, payload: memoryview, first: int, *, sealed: bool) -> Iterator[list[Any]]:
    """Yield the parts of a message, each as its frames; the payload is not copied.

    Parameters
    ----------
    header, payload
        The encoded header, and bytes of the payload, which may be none.
    first
        How many parts were sent before over this connection.
    sealed
        Leave checksums out, since the connection's encryption notices changes.
    """
    total = payload.nbytes
    for number, offset in enumerate(range(0, max(total, 1), PART_BYTES)):
        chunk = payload[offset : offset + PART_BYTES]
        own_header = [header] if offset == 0 else []
        record = bytearray(_RECORD.size)
        sequence = (first + number) % _SEQUENCE_END
        _RECORD.pack_into(record, 0, _MARK, sequence, offset, total, 0)
        if not sealed:
            checksum = _checksum(own_header, record, chunk)
            _RECORD.pack_into(record, 0, _MARK, sequence, offset, total, checksum)
        yield [*own_header, bytes(record), *([chunk] if chunk.nbytes else [])]


def part_count(payload: memoryview) -> int:
    """Return in how many parts a message with this payload is sent."""
    return max(1, -(-payload.nbytes // PART_BYTES))


@dataclass
class _Incoming:
    """A payload of which parts are missing; one that is skipped has no buffer."""

    message: AnyMessage
    total: int
    buffer: memoryview | None
    received: int = 0


class Assembler:
    """Puts the messages of one connection together.

    Parts of one payload come in order; messages without a payload may come between them.

    Parameters
    ----------
    sealed
        Whether the connection is encrypted, so that parts bear no checksum.
    """

    def __init__(self, *, sealed: bool) -> None:
        self._sealed = sealed
        self._incoming: _Incoming | None = None
        self._next: int | None = None

    def accept(
        self, frames: Sequence[memoryview], limit_of: LimitOf
    ) -> tuple[AnyMessage, memoryview] | None:
        """Take in a part; return the message that it completes, if it does.

        A message with more payload than it may bring is returned at once, with none; nothing of
        that payload is held. What another version of edgeseg says first is a header alone.

        Parameters
        ----------
        frames
            Those of the part.
        limit_of
            Says how many bytes of payload a message may bring.

        Raises
        ------
        DamagedError
            If the part is not what was sent, or one before it is missing.
        WireError
            If the frames are no part, or its header is no message.
        """
        if len(frames) == 1 and (greeting := foreign_message(frames[0])) is not None:
            return greeting, memoryview(b"")
        header, record, chunk = _split(frames)
        _, sequence, offset, total, checksum = _RECORD.unpack(record)
        if not self._sealed and _checksum(header, record, chunk) != checksum:
            raise DamagedError("a part of a message came changed: its checksum is another")
        if sequence not in {0, self._next} and self._next is not None:
            raise DamagedError("a part of a message is missing")
        self._next = (sequence + 1) % _SEQUENCE_END
        if header:
            return self._begin(decode(header[0]), total, chunk, limit_of)
        return self._continue(offset, total, chunk)

    def _begin(
        self, message: AnyMessage, total: int, chunk: memoryview, limit_of: LimitOf
    ) -> tuple[AnyMessage, memoryview] | None:
        if not total:
            return message, chunk
        refused = total > limit_of(message)
        if chunk.nbytes == total:
            return message, memoryview(b"") if refused else chunk
        buffer = None if refused else np.empty(total, np.uint8).data
        self._incoming = _Incoming(message, total, buffer)
        self._store(self._incoming, chunk)
        return (message, memoryview(b"")) if refused else None

    def _continue(
        self, offset: int, total: int, chunk: memoryview
    ) -> tuple[AnyMessage, memoryview] | None:
        incoming = self._incoming
        if incoming is None or (offset, total) != (incoming.received, incoming.total):
            raise DamagedError("a part of a payload comes out of turn")
        self._store(incoming, chunk)
        if incoming.received < total:
            return None
        self._incoming = None
        return None if incoming.buffer is None else (incoming.message, incoming.buffer)

    def _store(self, incoming: _Incoming, chunk: memoryview) -> None:
        end = incoming.received + chunk.nbytes
        if not chunk.nbytes or end > incoming.total:
            self._incoming = None
            raise DamagedError("a part of a payload is of another size than was announced")
        if incoming.buffer is not None:
            incoming.buffer[incoming.received : end] = chunk
        incoming.received = end


def _split(
    frames: Sequence[memoryview],
) -> tuple[Sequence[memoryview], memoryview, memoryview]:
    """Return the header, in a list that may be empty, the record, and the chunk of a part.

    Raises
    ------
    WireError
        If the frames are no part; where one was meant to be, the next will be out of turn.
    """
    begins = bool(frames) and _is_record(frames[0])
    rest = frames if begins else frames[1:]
    if not 1 <= len(rest) <= len(frames) or len(frames) > _MOST_FRAMES or not _is_record(rest[0]):
        raise WireError(f"{len(frames)} frames that are no part of a message")
    chunk = rest[1] if len(rest) > 1 else memoryview(b"")
    return frames[: len(frames) - len(rest)], rest[0], chunk


def _is_record(frame: memoryview) -> bool:
    return frame.nbytes == _RECORD.size and frame[0] == _MARK


def _checksum(header: Sequence[Any], record: Any, chunk: memoryview) -> int:
    digest = xxh3_64()
    for frame in header:
        digest.update(frame)
    digest.update(memoryview(record)[:_CHECKED_BYTES])
    digest.update(chunk)
    return digest.intdigest()
