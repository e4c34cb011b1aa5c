"""Messages of a slice: its tensors, and its result or failure."""

from typing import Annotated, Literal, TypeAlias

import msgspec

from edgeseg.bundle.manifest import Count
from edgeseg.codecs.names import CodecName
from edgeseg_runtime.messaging.wire.fields import Dtype, Job, Message, ShortText, WireShape

Planes: TypeAlias = Annotated[tuple[Count, ...], msgspec.Meta(max_length=1024)]
"""Numbers of slices; like those of jobs they are unique within an epoch."""


class TensorData(Message, frozen=True):
    """From a coordinator or a board: a tensor of a slice, in the payload.

    An image of several neighbouring slices is made of ``planes``, the numbers of these slices
    from feet to head; the payload holds those that the receiver has not, in that order.

    ``dtype`` and ``shape`` are those of the tensor, whatever codec made the payload of it.
    """

    job: Job
    tensor: ShortText
    dtype: Dtype
    shape: WireShape
    planes: Planes = ()
    codec: CodecName = "none"


class SliceResult(Message, frozen=True):
    """From a worker: a slice is done; the payload is its 8-bit probabilities or native mask."""

    job: Job
    kind: Literal["probabilities", "mask"]
    shape: WireShape


class Failed(Message, frozen=True):
    """From a worker: this slice could not be computed, and why."""

    job: Job
    reason: str
