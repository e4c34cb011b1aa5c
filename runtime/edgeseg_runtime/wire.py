"""The messages between coordinator and workers, and their layout on the wire.

A message is a header frame (MessagePack of one of the structs below) and, for those that carry
data, one payload frame of raw bytes. Nothing is executable, everything is bounded, and nothing
is believed before it is checked: :func:`decode` checks types and sizes, :func:`tensor_array`
checks that a payload is as long as its header says.
"""

import math
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import WireError
from edgeseg.manifest import Count, Decoding, Piece, Port, Preprocessing
from edgeseg.slices import SliceGeometry

PROTOCOL = 2
MAX_HEADER_BYTES = 2**20
MAX_TENSOR_BYTES = 2**30
MAX_AXES = 8
MAX_PROBE_BYTES = 2**24

Dtype: TypeAlias = Literal["float32", "int8", "uint8"]
"""Types that tensors have on the wire."""


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """What every header is."""


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One slice on its way: the epoch it was admitted in, its index, its lane, its native grid."""

    epoch: int
    slice: int
    lane: int
    geometry: SliceGeometry


class Hello(Message, frozen=True):
    """Coordinator: who I am and which protocol I speak."""

    session: str
    protocol: int


class Welcome(Message, frozen=True):
    """Worker: what this board has to give."""

    memory_limit_bytes: int
    base_memory_bytes: int
    cores: int
    versions: dict[str, str]


class Routes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a board does in one lane: the pieces it runs, and which boards want each tensor."""

    lane: int
    pieces: tuple[str, ...]
    destinations: dict[str, tuple[str, ...]]


class Assignment(Message, frozen=True):
    """Coordinator: your pieces and routes in this epoch.

    ``sources`` are the ports that make what the pieces read, ``peers`` the endpoints of boards
    by name, ``reserved_bytes`` what the slices in flight may take on this board.
    """

    epoch: int
    pieces: tuple[Piece, ...]
    sources: tuple[Port, ...]
    routes: tuple[Routes, ...]
    peers: dict[str, str]
    input: str
    output: Port
    preprocessing: Preprocessing
    decoding: Decoding
    reserved_bytes: Count


class Need(Message, frozen=True):
    """Worker: send me this piece, by its SHA-256."""

    epoch: int
    sha256: str


class PieceData(Message, frozen=True):
    """Coordinator: one packed piece, in the payload."""

    epoch: int
    sha256: str


class Ready(Message, frozen=True):
    """Worker: every piece is loaded and has run once."""

    epoch: int


class Refused(Message, frozen=True):
    """Worker: I can't or won't do that, and why."""

    epoch: int
    reason: str


class Probe(Message, frozen=True):
    """Coordinator: answer at once with so many bytes; my own payload only filled the link."""

    answer_bytes: Annotated[int, msgspec.Meta(ge=0, le=MAX_PROBE_BYTES)]


class Echo(Message, frozen=True):
    """Worker: the answer to a probe; its payload only fills the link."""


class Trial(Message, frozen=True):
    """Coordinator: run this piece of yours once, on tensors that you make up."""

    epoch: int
    piece: str


class Tried(Message, frozen=True):
    """Worker: the piece has run, and what it took from its inputs to its outputs."""

    epoch: int
    piece: str
    seconds: float


class TensorData(Message, frozen=True):
    """Anybody: a tensor of a slice, in the payload."""

    job: Job
    tensor: str
    dtype: Dtype
    shape: tuple[int, ...]


class Outcome(Message, frozen=True):
    """Worker: a slice is done; the payload is its 8-bit probabilities or its native mask."""

    job: Job
    kind: Literal["probabilities", "mask"]
    shape: tuple[int, ...]


class Failed(Message, frozen=True):
    """Worker: this slice could not be computed, and why."""

    job: Job
    reason: str


class Ping(Message, frozen=True):
    """Coordinator: asks whether the board is there."""

    session: str


class PieceTime(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often a piece has run on a board, and for how long in all.

    ``seconds`` are of inference alone, ``busy_seconds`` of all that a core does for it.
    """

    runs: int = 0
    seconds: float = 0.0
    busy_seconds: float = 0.0


class Pong(Message, frozen=True):
    """Worker: I am, and this is how I fare."""

    peak_memory_bytes: int
    sent_bytes: int
    received_bytes: int
    piece_times: dict[str, PieceTime]


class Bye(Message, frozen=True):
    """Coordinator: drop what you hold for my session."""

    session: str


AnyMessage: TypeAlias = (
    Hello
    | Welcome
    | Assignment
    | Need
    | PieceData
    | Ready
    | Refused
    | Probe
    | Echo
    | Trial
    | Tried
    | TensorData
    | Outcome
    | Failed
    | Ping
    | Pong
    | Bye
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(AnyMessage)


def encode(message: AnyMessage) -> bytes:
    """Return the header frame of a message."""
    return _encoder.encode(message)


def decode(header: bytes | memoryview) -> AnyMessage:
    """Read a header frame.

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
