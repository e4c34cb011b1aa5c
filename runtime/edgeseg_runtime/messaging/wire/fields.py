"""Bounded field types, and what every message is."""

from typing import Annotated, Literal, TypeAlias

import msgspec

from edgeseg.bundle.manifest import MAX_AXES, Count
from edgeseg.imaging.slices import SliceGeometry

PROTOCOL = 7
"""Rises whenever a message changes; coordinator and worker must speak the same one."""

MAX_PROBE_BYTES = 2**24

HELD_SECONDS = 10.0
"""A coordinator unheard of for so long is gone; what a worker held for it is dropped."""

NO_EPOCH = 0
"""The epoch in a refusal of the coordinator itself, not of its orders."""

Dtype: TypeAlias = Literal["float32", "int8", "uint8", "uint16"]
"""Types of tensors on the wire."""

ShortText: TypeAlias = Annotated[str, msgspec.Meta(max_length=512)]
"""A name of something."""

Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
"""How long something took; neither infinite nor NaN."""

WireShape: TypeAlias = Annotated[tuple[int, ...], msgspec.Meta(max_length=MAX_AXES)]
"""Shape of the array in a payload, which :func:`tensor_array` checks against the payload."""


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """A header, tagged with the name of its class."""


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A slice in flight: the epoch in which it was admitted, its lane, its native grid.

    ``slice`` is a number that no other slice of the epoch has.
    """

    epoch: Count
    slice: Count
    lane: Count
    geometry: SliceGeometry


class PieceTime(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often a piece has run on a board, and for how long in all.

    ``seconds`` are of inference alone, ``busy_seconds`` of all that a core does for it.
    """

    runs: Count = 0
    seconds: Seconds = 0.0
    busy_seconds: Seconds = 0.0
