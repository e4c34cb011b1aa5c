"""Values packed without loss, by chunks: zeros as bits, the others' bytes by significance.

Outputs of a ReLU are about half zeros. A chunk holds one bit a value that says whether it is other
than zero, then the first bytes of those values, then their second bytes, and so on; zstd makes one
frame of that. Values of one byte go into zstd as they are. Chunks bound the memory that packing
takes beside both ends, and stay in a core's cache.
"""

import math
import struct
import threading
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from edgeseg.errors import WireError

CHUNK_VALUES = 2**16

_LEVEL = 1
"""Higher levels of zstd take twice the time for a hundredth of the bytes."""

_LENGTH = struct.Struct("<I")
_UNSIGNED: dict[int, np.dtype[Any]] = {size: np.dtype(f"<u{size}") for size in (1, 2, 4)}
_MAX_WINDOW_BYTES = 2**20
"""How far back a frame may refer: further than any chunk is long."""

_CONTEXT_BYTES = 5 * 2**18
"""More than one thread's zstd takes to compress and to decompress."""


class _Contexts(threading.local):
    """zstd's state, one a thread: it can't be shared."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self.decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)


_contexts = _Contexts()


def working_bytes(itemsize: int) -> int:
    """Return the most bytes that one thread takes beside values and packed chunks."""
    return _CONTEXT_BYTES + CHUNK_VALUES * (2 + 3 * itemsize)


def pack(values: NDArray[Any], limit: int) -> bytearray | None:
    """Pack values.

    Parameters
    ----------
    values
        One axis, contiguous, of 1, 2 or 4 bytes a value; bits are kept, whatever they mean.
    limit
        Bytes that the result may take at most.

    Returns
    -------
    bytearray or None
        The chunks, each behind its length; None if that is more.
    """
    unsigned = values.view(_UNSIGNED[values.itemsize])
    packed = bytearray()
    for start in range(0, len(unsigned), CHUNK_VALUES):
        frame = _contexts.compressor.compress(_content(unsigned[start : start + CHUNK_VALUES]))
        packed += _LENGTH.pack(len(frame))
        packed += frame
        if len(packed) > limit:
            return None
    return packed


def unpack(packed: memoryview, values: NDArray[Any]) -> None:
    """Unpack chunks into an array; nothing is believed before it is checked.

    Parameters
    ----------
    packed
        What :func:`pack` returned, from anybody.
    values
        One axis, contiguous, of 1, 2 or 4 bytes a value, all zeros.

    Raises
    ------
    WireError
        If that is not exactly what the chunks hold.
    """
    unsigned = values.view(_UNSIGNED[values.itemsize])
    position = 0
    for start in range(0, len(unsigned), CHUNK_VALUES):
        if len(packed) - position < _LENGTH.size:
            raise WireError("an encoded tensor is truncated")
        (length,) = _LENGTH.unpack_from(packed, position)
        position += _LENGTH.size
        if length > len(packed) - position:
            raise WireError("an encoded tensor is truncated")
        _fill(unsigned[start : start + CHUNK_VALUES], packed[position : position + length])
        position += length
    if position != len(packed):
        raise WireError(f"an encoded tensor is {len(packed) - position} bytes longer than it says")


def _content(values: NDArray[Any]) -> memoryview:
    """Return what zstd compresses: bits of zeros, and the other values byte by byte."""
    if values.itemsize == 1:
        return values.data
    nonzero = values != 0
    others = values[nonzero]
    bits = np.packbits(nonzero)
    content = np.empty(len(bits) + others.nbytes, np.uint8)
    content[: len(bits)] = bits
    planes = content[len(bits) :].reshape(values.itemsize, -1)
    planes[:] = others.view(np.uint8).reshape(-1, values.itemsize).T
    return content.data


def _fill(values: NDArray[Any], frame: memoryview) -> None:
    """Set the values of one chunk, which are zeros."""
    content = np.frombuffer(_decompressed(frame, values), np.uint8)
    if values.itemsize == 1:
        if len(content) != len(values):
            raise WireError(f"a chunk of {len(values)} values holds {len(content)}")
        values[:] = content
        return
    bits = math.ceil(len(values) / 8)
    nonzero = np.unpackbits(content[:bits], count=len(values)).view(bool)
    count = int(np.count_nonzero(nonzero))
    if len(content) - bits != count * values.itemsize:
        raise WireError(f"a chunk says {count} values and holds {len(content) - bits} bytes")
    others = np.empty(count, values.dtype)
    others.view(np.uint8).reshape(-1, values.itemsize)[:] = (
        content[bits:].reshape(values.itemsize, -1).T
    )
    values[nonzero] = others


def _decompressed(frame: memoryview, values: NDArray[Any]) -> bytes:
    """Return the content of a frame, after its size was checked and before memory is taken."""
    bits = 0 if values.itemsize == 1 else math.ceil(len(values) / 8)
    most = bits + values.nbytes
    try:
        declared = zstandard.frame_content_size(frame)
        if not bits <= declared <= most:
            raise WireError(f"a chunk of at most {most} bytes says that it holds {declared}")
        content = _contexts.decompressor.decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise WireError(f"an encoded tensor is no tensor ({error})") from None
    if len(content) != declared:
        raise WireError(f"a chunk of {declared} bytes holds {len(content)}")
    return content
