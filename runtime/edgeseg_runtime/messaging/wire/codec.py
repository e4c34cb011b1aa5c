"""Headers and payloads, encoded and decoded; nothing is believed before it is checked."""

import math
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import MAX_AXES, MAX_PIECE_BYTES, MAX_TENSOR_BYTES
from edgeseg.codecs.names import NONE
from edgeseg.codecs.table import most_bytes
from edgeseg.errors import WireError
from edgeseg_runtime.messaging.wire.assignment_messages import (
    Assignment,
    PieceData,
    PieceRequest,
    Ready,
)
from edgeseg_runtime.messaging.wire.fields import MAX_PROBE_BYTES
from edgeseg_runtime.messaging.wire.measurement_messages import (
    Echo,
    Probe,
    TrialRequest,
    TrialResult,
)
from edgeseg_runtime.messaging.wire.session_messages import Bye, Hello, Ping, Pong, Refused, Welcome
from edgeseg_runtime.messaging.wire.slice_messages import Failed, SliceResult, TensorData
from edgeseg_runtime.messaging.wire.status_messages import StatusRequest, WorkerStatus

MAX_HEADER_BYTES = 2**17

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

OTHER_PROTOCOL = 0
"""Stands for the number of a protocol that can't be read."""


class _Greeting(msgspec.Struct):
    """What any version's greeting has; other fields are passed over."""

    type: str


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(AnyMessage)
_greeting_decoder = msgspec.msgpack.Decoder(_Greeting)


def encode(message: AnyMessage) -> bytes:
    """Return the header frame of a message.

    Raises
    ------
    WireError
        If it is longer than a header may be.
    """
    header = _encoder.encode(message)
    if len(header) > MAX_HEADER_BYTES:
        raise WireError(
            f"{type(message).__name__} takes {len(header)} bytes, at most {MAX_HEADER_BYTES} are "
            "sent; convert to fewer pieces"
        )
    return header


def decode(header: bytes | memoryview) -> AnyMessage:
    """Return the message in a header frame.

    A greeting that can't be read is one of another version: it is returned with
    :data:`OTHER_PROTOCOL`.

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
        greeting = _greeting_of_another_version(header)
        if greeting is None:
            raise WireError(f"a header can't be read ({error})") from None
        return greeting
    return message


def foreign_message(header: bytes | memoryview) -> AnyMessage | None:
    """Return what another version of edgeseg says in a header alone: a greeting or a refusal."""
    try:
        message = decode(header)
    except WireError:
        return None
    if isinstance(message, Refused):
        return message
    return _greeting_of_another_version(header)


def declared_bytes(message: AnyMessage) -> int:
    """Return the most bytes of payload that a message says it brings.

    Parameters
    ----------
    message
        As it was received: what it says is not checked against anything.
    """
    match message:
        case TensorData(dtype=dtype, shape=shape, codec=codec):
            nbytes = min(MAX_TENSOR_BYTES, math.prod(shape) * np.dtype(dtype).itemsize)
            return nbytes if codec == NONE else most_bytes(nbytes)
        case SliceResult(shape=shape):
            return min(MAX_TENSOR_BYTES, math.prod(shape))
        case Probe() | Echo():
            return MAX_PROBE_BYTES
        case PieceData():
            return MAX_PIECE_BYTES
        case _:
            return 0


def _greeting_of_another_version(header: bytes | memoryview) -> AnyMessage | None:
    try:
        kind = _greeting_decoder.decode(header).type
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    greetings: dict[str, AnyMessage] = {
        "Hello": Hello("", OTHER_PROTOCOL),
        "StatusRequest": StatusRequest(OTHER_PROTOCOL),
    }
    return greetings.get(kind)


def tensor_array(dtype: str, shape: tuple[int, ...], payload: bytes | memoryview) -> NDArray[Any]:
    """View a payload as the array its header describes; nothing is copied.

    Raises
    ------
    WireError
        If the payload has another size, or the shape is no tensor's.
    """
    expected = tensor_bytes(dtype, shape)
    if len(payload) != expected:
        raise WireError(f"a tensor payload has {len(payload)} bytes, its header says {expected}")
    return np.frombuffer(payload, dtype).reshape(shape)


def tensor_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    """Return the bytes of a tensor that a header describes.

    Raises
    ------
    WireError
        If the shape is no tensor's.
    """
    if not 1 <= len(shape) <= MAX_AXES or min(shape) < 1:
        raise WireError(f"a tensor of {len(shape)} axes, or with an empty one, is out of bounds")
    nbytes = math.prod(shape) * np.dtype(dtype).itemsize
    if nbytes > MAX_TENSOR_BYTES:
        raise WireError(f"a tensor of shape {shape} exceeds {MAX_TENSOR_BYTES} bytes")
    return nbytes
