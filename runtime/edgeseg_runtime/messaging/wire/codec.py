"""Headers and payloads, encoded and decoded; nothing is believed before it is checked."""

import math
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import MAX_AXES, MAX_TENSOR_BYTES
from edgeseg.errors import WireError
from edgeseg_runtime.messaging.wire.assignment_messages import (
    Assignment,
    PieceData,
    PieceRequest,
    Ready,
)
from edgeseg_runtime.messaging.wire.measurement_messages import (
    Echo,
    Probe,
    TrialRequest,
    TrialResult,
)
from edgeseg_runtime.messaging.wire.session_messages import Bye, Hello, Ping, Pong, Refused, Welcome
from edgeseg_runtime.messaging.wire.slice_messages import Failed, SliceResult, TensorData
from edgeseg_runtime.messaging.wire.status_messages import StatusRequest, WorkerStatus

MAX_HEADER_BYTES = 2**20

AnyMessage: TypeAlias = (
    Hello
    | Welcome
    | Assignment
    | PieceRequest
    | PieceData
    | Ready
    | Refused
    | Probe
    | Echo
    | TrialRequest
    | TrialResult
    | TensorData
    | SliceResult
    | Failed
    | Ping
    | Pong
    | StatusRequest
    | WorkerStatus
    | Bye
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(AnyMessage)


def encode(message: AnyMessage) -> bytes:
    """Return the header frame of a message."""
    return _encoder.encode(message)


def decode(header: bytes | memoryview) -> AnyMessage:
    """Return the message in a header frame.

    Raises
    ------
    WireError
        If it is too long, no known message, or a field is of the wrong type.
    """
    if len(header) > MAX_HEADER_BYTES:
        raise WireError(f"a header of {len(header)} bytes exceeds {MAX_HEADER_BYTES}")
    try:
        message: AnyMessage = _decoder.decode(header)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise WireError(f"a header can't be read ({error})") from None
    return message


def tensor_array(dtype: str, shape: tuple[int, ...], payload: bytes | memoryview) -> NDArray[Any]:
    """View a payload as the array its header describes; nothing is copied.

    Raises
    ------
    WireError
        If the payload has another size, or the shape is no tensor's.
    """
    if not 1 <= len(shape) <= MAX_AXES or min(shape) < 1:
        raise WireError(f"a tensor of {len(shape)} axes, or with an empty one, is out of bounds")
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    if expected > MAX_TENSOR_BYTES:
        raise WireError(f"a tensor of shape {shape} exceeds {MAX_TENSOR_BYTES} bytes")
    if len(payload) != expected:
        raise WireError(f"a tensor payload has {len(payload)} bytes, its header says {expected}")
    return np.frombuffer(payload, dtype).reshape(shape)
