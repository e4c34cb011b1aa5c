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

from edgeseg.boards.boards_file import PublicKey
from edgeseg.bundle.manifest import (
    MAX_AXES,
    MAX_TENSOR_BYTES,
    Count,
    Decoding,
    Extent,
    Piece,
    Port,
    Preprocessing,
)
from edgeseg.errors import WireError
from edgeseg.imaging.slices import SliceGeometry

PROTOCOL = 4
MAX_HEADER_BYTES = 2**20
MAX_PROBE_BYTES = 2**24

HELD_SECONDS = 10.0
"""A coordinator unheard of for so long is gone; what a worker held for it is dropped."""

NO_EPOCH = 0
"""What a refusal of the coordinator itself, not of its orders, bears as its epoch."""

Dtype: TypeAlias = Literal["float32", "int8", "uint8"]
"""Types that tensors have on the wire."""

ShortText: TypeAlias = Annotated[str, msgspec.Meta(max_length=512)]
"""A name of something."""

Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
"""How long something took; no infinity, and not NaN."""

WireShape: TypeAlias = Annotated[tuple[int, ...], msgspec.Meta(max_length=MAX_AXES)]
"""What a payload is the array of; :func:`tensor_array` checks it against the payload."""


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """What every header is."""


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One slice on its way: the epoch it was admitted in, its lane, its native grid.

    ``slice`` is a number that no other slice of the epoch has.
    """

    epoch: Count
    slice: Count
    lane: Count
    geometry: SliceGeometry


class Hello(Message, frozen=True):
    """Coordinator: who I am, which protocol I speak, and what I call this board.

    One session greets a worker under one name; when it does so over a new connection, it has
    lost the old one.
    """

    session: ShortText
    protocol: int
    board: ShortText = ""


class Welcome(Message, frozen=True):
    """Worker: what this board has to give."""

    memory_limit_bytes: Count
    base_memory_bytes: Count
    cores: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    versions: dict[ShortText, ShortText]


class Routes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a board does in one lane: the pieces it runs, and which boards want each tensor.

    ``window`` is how many slices may be in flight there. ``handovers`` says of each piece how often
    what it makes still goes from board to board: the more, the sooner it is to run.
    """

    lane: int
    pieces: tuple[str, ...]
    destinations: dict[str, tuple[str, ...]]
    window: Extent = 1
    handovers: dict[str, Count] = {}


class Peer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another board: where it listens, and its public key where it has one."""

    endpoint: str
    public_key: PublicKey | None = None


class Assignment(Message, frozen=True):
    """Coordinator: your pieces and routes in this epoch.

    ``sources`` are the ports that make what the pieces read, ``peers`` the boards that are sent
    to, by name, ``admits`` the public keys of the boards that send here, ``reserved_bytes`` what
    the slices in flight may take on this board. With ``shifts`` the pieces are loaded group by
    group, and tensors between groups are spooled to disk, ``spool_bytes`` of them at most.
    """

    epoch: Count
    pieces: tuple[Piece, ...]
    sources: tuple[Port, ...]
    routes: tuple[Routes, ...]
    peers: dict[str, Peer]
    input: str
    output: Port
    preprocessing: Preprocessing
    decoding: Decoding
    reserved_bytes: Count
    admits: tuple[PublicKey, ...] = ()
    shifts: tuple[tuple[str, ...], ...] = ()
    spool_bytes: Count = 0


class PieceRequest(Message, frozen=True):
    """Worker: send me this piece, by its SHA-256."""

    epoch: Count
    sha256: ShortText


class PieceData(Message, frozen=True):
    """Coordinator: one packed piece, in the payload."""

    epoch: Count
    sha256: ShortText


class Ready(Message, frozen=True):
    """Worker: every piece is loaded and has run once."""

    epoch: Count


class Refused(Message, frozen=True):
    """Worker: I can't or won't do that, and why; ``busy`` where I may later."""

    epoch: Count
    reason: str
    busy: bool = False


class Probe(Message, frozen=True):
    """Coordinator: answer at once with so many bytes; my own payload only filled the link."""

    answer_bytes: Annotated[int, msgspec.Meta(ge=0, le=MAX_PROBE_BYTES)]


def filling(count: int) -> bytes:
    """Return a payload that only fills the link; unlike zeros it is read from memory of its own."""
    return b"\x01" * count


class Echo(Message, frozen=True):
    """Worker: the answer to a probe, and how long its cores have worked; the payload is filling."""

    cpu_seconds: Seconds = 0.0


class TrialRequest(Message, frozen=True):
    """Coordinator: run this piece of yours once, on tensors that you make up."""

    epoch: Count
    piece: ShortText


class TrialResult(Message, frozen=True):
    """Worker: the piece has run, and what it took from its inputs to its outputs."""

    epoch: Count
    piece: ShortText
    seconds: Seconds


class TensorData(Message, frozen=True):
    """Anybody: a tensor of a slice, in the payload."""

    job: Job
    tensor: ShortText
    dtype: Dtype
    shape: WireShape


class SliceResult(Message, frozen=True):
    """Worker: a slice is done; the payload is its 8-bit probabilities or its native mask."""

    job: Job
    kind: Literal["probabilities", "mask"]
    shape: WireShape


class Failed(Message, frozen=True):
    """Worker: this slice could not be computed, and why."""

    job: Job
    reason: str


class Ping(Message, frozen=True):
    """Coordinator: asks whether the board is there."""

    session: ShortText


class PieceTime(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often a piece has run on a board, and for how long in all.

    ``seconds`` are of inference alone, ``busy_seconds`` of all that a core does for it.
    """

    runs: Count = 0
    seconds: Seconds = 0.0
    busy_seconds: Seconds = 0.0


class Pong(Message, frozen=True):
    """Worker: I am, and this is how I fare."""

    peak_memory_bytes: Count
    sent_bytes: Count
    received_bytes: Count
    piece_times: dict[ShortText, PieceTime]


class Bye(Message, frozen=True):
    """Coordinator: drop what you hold for my session."""

    session: ShortText


class StatusRequest(Message, frozen=True):
    """Anybody: how do you fare? That makes me no coordinator."""

    protocol: int


class WorkerStatus(Message, frozen=True):
    """Worker: how I fare now, and what I have done since I started; nothing of the slices.

    ``session_seconds`` is None while nobody is served, ``pieces`` are those of this epoch,
    ``temperature`` is in degrees Celsius where the board tells.
    """

    versions: dict[str, str]
    uptime_seconds: float
    session_seconds: float | None
    cores: int
    memory_bytes: int
    peak_memory_bytes: int
    memory_limit_bytes: int
    pieces: dict[str, PieceTime]
    slices_held: int
    slices: int
    runs: int
    sent_bytes: int
    received_bytes: int
    refusals: int
    temperature: float | None


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
