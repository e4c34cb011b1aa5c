"""Messages of a slice: its tensors, and its result or failure."""

from typing import Literal

from edgeseg_runtime.messaging.wire.fields import Dtype, Job, Message, ShortText, WireShape


class TensorData(Message, frozen=True):
    """From a coordinator or a board: a tensor of a slice, in the payload."""

    job: Job
    tensor: ShortText
    dtype: Dtype
    shape: WireShape


class SliceResult(Message, frozen=True):
    """From a worker: a slice is done; the payload is its 8-bit probabilities or native mask."""

    job: Job
    kind: Literal["probabilities", "mask"]
    shape: WireShape


class Failed(Message, frozen=True):
    """From a worker: this slice could not be computed, and why."""

    job: Job
    reason: str
