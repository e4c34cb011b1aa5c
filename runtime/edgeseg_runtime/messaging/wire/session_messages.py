"""Messages of a session: a coordinator comes, is admitted or refused, is alive, and leaves."""

from typing import Annotated, TypeAlias

import msgspec

from edgeseg.boards.boards_file import UNMEASURED, CoreSpeed
from edgeseg.bundle.manifest import Count
from edgeseg_runtime.messaging.wire.fields import Message, PieceTime, Seconds, ShortText

Nanoseconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
"""What a byte takes; neither infinite nor NaN."""


class Hello(Message, frozen=True):
    """From a coordinator: its session, its protocol, and its name for this board.

    A session greets a worker under one name; the same greeting over a new connection means that
    the old one was lost.
    """

    session: ShortText
    protocol: int
    board: ShortText = ""


class CodecTime(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nanoseconds of a core that encoding and decoding one byte of a tensor takes."""

    encode_ns: Nanoseconds
    decode_ns: Nanoseconds


class Welcome(Message, frozen=True):
    """From a worker: the greeting is accepted; what the board has, and how fast it is.

    ``codecs`` are the codecs that it knows, with the nanoseconds that a byte of a tensor takes one
    of its cores.
    """

    memory_limit_bytes: Count
    base_memory_bytes: Count
    cores: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    versions: dict[ShortText, ShortText]
    core_speed: CoreSpeed = UNMEASURED
    codecs: Annotated[dict[ShortText, CodecTime], msgspec.Meta(max_length=64)] = msgspec.field(
        default_factory=dict
    )


class Refused(Message, frozen=True):
    """From a worker: an order or a greeting is refused, and why; ``busy`` if only for now.

    ``crashing_piece`` is the name of a piece that has ended its process, or would not end.
    """

    epoch: Count
    reason: str
    busy: bool = False
    crashing_piece: ShortText = ""


class Ping(Message, frozen=True):
    """From a coordinator: a sign of life, to be answered by a Pong."""

    session: ShortText


class Pong(Message, frozen=True):
    """From a worker: the answer to a Ping, with the figures of the session.

    ``running_seconds`` is for how long a thread has been at one piece of work, even one that was
    given up: a step that hangs goes on for ever.
    """

    peak_memory_bytes: Count
    sent_bytes: Count
    received_bytes: Count
    piece_times: dict[ShortText, PieceTime]
    running_seconds: Seconds = 0.0


class Bye(Message, frozen=True):
    """From a coordinator: the session ends; all that is held for it is to be released."""

    session: ShortText
