"""The codecs of tensors on the wire, in one table.

A codec makes values smaller (or leaves them), and every codec but ``none`` packs them without
further loss. A tensor that would not get much smaller travels as it is, so that no payload takes
more than five eighths of its tensor.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg.codecs import chunks, values
from edgeseg.codecs.names import CodecName
from edgeseg.errors import EdgesegError, WireError

_MOST_EIGHTHS = 5

_Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Reduction:
    """How a lossy codec makes float32 smaller.

    Parameters
    ----------
    dtype
        The type of the smaller values.
    scales
        The shape of the float32 numbers that say what those mean, given the number of channels.
    reduce, restore
        From values (N, C) to smaller values and scales, and back.
    """

    dtype: np.dtype[Any]
    scales: Callable[[int], _Shape]
    reduce: Callable[[NDArray[Any]], tuple[NDArray[Any], NDArray[np.float32]]]
    restore: Callable[[NDArray[Any], NDArray[np.float32]], NDArray[np.float32]]


REDUCTIONS: dict[CodecName, Reduction] = {
    "half": Reduction(
        np.dtype(np.float16), lambda _channels: (1,), values.to_half, values.from_half
    ),
    "int8": Reduction(
        np.dtype(np.uint8), lambda channels: (2, channels), values.to_steps, values.from_steps
    ),
}
"""The lossy codecs; other types than float32 are never made smaller at a loss."""


def encode(codec: CodecName, array: NDArray[Any]) -> bytearray | None:
    """Encode a tensor.

    Parameters
    ----------
    codec
        Any of the table but ``none``.
    array
        A tensor of any shape (..., C), float32, int8 or uint8.

    Returns
    -------
    bytearray or None
        The payload; None where it would take more than :func:`most_bytes`.

    Raises
    ------
    EdgesegError
        If a lossy codec meets a value that is infinite or not a number.
    """
    array = np.ascontiguousarray(array)
    most = most_bytes(array.nbytes)
    reduction = _reduction(codec, array.dtype)
    if reduction is None:
        return chunks.pack(array.reshape(-1), most)
    try:
        smaller, scales = reduction.reduce(array.reshape(-1, array.shape[-1]))
    except EdgesegError as error:
        raise EdgesegError(
            f"{error}; the codec {codec} can't carry them, lossless or none can"
        ) from None
    packed = chunks.pack(smaller.reshape(-1), most - scales.nbytes)
    return None if packed is None else bytearray(scales.tobytes()) + packed


def decode(
    codec: CodecName, payload: bytes | bytearray | memoryview, dtype: str, shape: _Shape
) -> NDArray[Any]:
    """Decode a payload, whoever made it, into a tensor whose type and shape are known.

    Raises
    ------
    WireError
        If it is no payload of that codec for such a tensor: truncated, longer than it says,
        larger than :func:`most_bytes`, or with a scale that is no scale. No more memory is taken
        than the tensor and one chunk need.
    """
    packed, kind = memoryview(payload).cast("B"), np.dtype(dtype)
    most = most_bytes(math.prod(shape) * kind.itemsize)
    if len(packed) > most:
        raise WireError(f"an encoded tensor of {len(packed)} bytes exceeds {most}")
    reduction = _reduction(codec, kind)
    if reduction is None:
        array = np.zeros(math.prod(shape), kind)
        chunks.unpack(packed, array)
        return array.reshape(shape)
    scales_shape = reduction.scales(shape[-1])
    scales_bytes = 4 * math.prod(scales_shape)
    if len(packed) < scales_bytes:
        raise WireError("an encoded tensor is truncated")
    scales = np.frombuffer(packed[:scales_bytes], np.float32).reshape(scales_shape)
    smaller = np.zeros(math.prod(shape), reduction.dtype)
    chunks.unpack(packed[scales_bytes:], smaller)
    return reduction.restore(smaller.reshape(-1, shape[-1]), scales).reshape(shape)


def most_bytes(nbytes: int) -> int:
    """Return the most bytes that the payload of a tensor takes, given those of the tensor."""
    return nbytes * _MOST_EIGHTHS // 8


def working_bytes(codec: CodecName, nbytes: int) -> int:
    """Return the most bytes that encoding or decoding takes beside a tensor and its payload.

    Parameters
    ----------
    codec
        Any but ``none``.
    nbytes
        Bytes of the tensor; a lossy codec holds its values in their smaller type too.
    """
    smaller = REDUCTIONS[codec].dtype.itemsize if codec in REDUCTIONS else 0
    return chunks.working_bytes(itemsize=4) + nbytes * smaller // 4


def _reduction(codec: CodecName, dtype: np.dtype[Any]) -> Reduction | None:
    return REDUCTIONS.get(codec) if dtype == np.float32 else None
