"""The forms in which a board holds a tensor: an array, encoded, or on disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from edgeseg.codecs.names import CodecName
from edgeseg.codecs.table import decode, encode


@dataclass(frozen=True)
class Spooled:
    """A tensor on disk; in memory it takes nothing."""

    path: Path
    shape: tuple[int, ...]
    dtype: str
    nbytes: int = 0


@dataclass(frozen=True)
class Encoded:
    """A tensor as a payload of some codec, which takes fewer bytes than the tensor.

    Parameters
    ----------
    codec
        Any but ``none``.
    payload
        As it is sent, or was received and not yet checked.
    shape, dtype
        Those of the tensor.
    """

    codec: CodecName
    payload: memoryview
    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in memory."""
        return len(self.payload)

    def array(self) -> NDArray[Any]:
        """Decode it.

        Raises
        ------
        WireError
            If the payload is none of that codec for such a tensor.
        """
        return decode(self.codec, self.payload, self.dtype, self.shape)


Held: TypeAlias = NDArray[Any] | Encoded | Spooled
"""A tensor in memory or on disk."""


def encoded(array: NDArray[Any], codec: CodecName) -> NDArray[Any] | Encoded:
    """Return a tensor as the codec makes it; itself where that would not be smaller.

    Raises
    ------
    EdgesegError
        If a lossy codec can't carry its values.
    """
    payload = None if codec == "none" else encode(codec, array)
    if payload is None:
        return array
    return Encoded(codec, memoryview(payload), array.shape, array.dtype.name)
