"""How much smaller codecs make tensors: measured, or expected where nobody has measured it."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from numpy.typing import NDArray

from edgeseg.codecs.names import CODECS, NONE, CodecName
from edgeseg.codecs.table import encode
from edgeseg.errors import EdgesegError

Ratios: TypeAlias = Mapping[CodecName, float]
"""The ratio that each codec comes to."""

_FLOAT32: Ratios = {"lossless": 0.5, "half": 0.3, "int8": 0.15}
"""More than the tensors of trained U-Nets take: those of the sample model come to 0.30, 0.18 and
0.08."""

_INT8: Ratios = dict.fromkeys((codec for codec in CODECS if codec != NONE), 0.7)


def estimated_ratios(dtype: str) -> Ratios:
    """Return about how many bytes a codec makes of each byte of a tensor of that type."""
    return _FLOAT32 if dtype == "float32" else _INT8


def measured_ratios(arrays: Iterable[NDArray[Any]]) -> dict[CodecName, float]:
    """Return the ratio that each codec comes to on arrays of one tensor.

    A codec that can't carry one of them is left out.

    Parameters
    ----------
    arrays
        At least one, each of what a slice makes.
    """
    held = list(arrays)
    plain = sum(array.nbytes for array in held)
    sent = {codec: _payload_bytes(codec, held) for codec in CODECS if codec != NONE}
    return {codec: count / plain for codec, count in sent.items() if count is not None}


def _payload_bytes(codec: CodecName, arrays: Iterable[NDArray[Any]]) -> int | None:
    """Return the bytes that arrays are sent as; None where the codec can't carry them."""
    try:
        return sum(len(encode(codec, array) or array.data.cast("B")) for array in arrays)
    except EdgesegError:
        return None
