"""Messages of a profile: links and pieces are measured before slices use them."""

from typing import Annotated

import msgspec

from edgeseg.bundle.manifest import Count
from edgeseg_runtime.messaging.wire.fields import MAX_PROBE_BYTES, Message, Seconds, ShortText


class Probe(Message, frozen=True):
    """From a coordinator: to be answered at once with so many bytes; its own payload is filling."""

    answer_bytes: Annotated[int, msgspec.Meta(ge=0, le=MAX_PROBE_BYTES)]


class Echo(Message, frozen=True):
    """From a worker: the answer to a probe, and its CPU time so far; the payload is filling."""

    cpu_seconds: Seconds = 0.0


class TrialRequest(Message, frozen=True):
    """From a coordinator: run an assigned piece once, on synthetic tensors."""

    epoch: Count
    piece: ShortText


class TrialResult(Message, frozen=True):
    """From a worker: the seconds that a piece took, from its inputs to its outputs."""

    epoch: Count
    piece: ShortText
    seconds: Seconds


def filling(count: int) -> bytes:
    """Return so many bytes that only fill the link; unlike zeros they are read from real memory."""
    return b"\x01" * count
