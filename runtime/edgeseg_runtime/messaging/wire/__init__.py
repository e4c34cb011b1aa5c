"""The messages between coordinator and workers, and their layout on the wire.

A message is a header (MessagePack of one of the classes here) and, for those that carry data, a
payload of raw bytes; :mod:`~edgeseg_runtime.messaging.wire.parts` cuts it into parts. Nothing is
executable, everything is bounded: :func:`decode` checks types and sizes, :func:`tensor_array`
checks that a payload is as long as its header says.
"""

from edgeseg_runtime.messaging.wire.assignment_messages import (
    Assignment,
    Peer,
    PieceData,
    PieceRequest,
    Ready,
    Routes,
)
from edgeseg_runtime.messaging.wire.codec import (
    MAX_HEADER_BYTES,
    OTHER_PROTOCOL,
    AnyMessage,
    declared_bytes,
    decode,
    encode,
    foreign_message,
    tensor_array,
    tensor_bytes,
)
from edgeseg_runtime.messaging.wire.fields import (
    HELD_SECONDS,
    MAX_PROBE_BYTES,
    NO_EPOCH,
    PROTOCOL,
    Dtype,
    Job,
    Message,
    PieceTime,
    Seconds,
    ShortText,
    WireShape,
)
from edgeseg_runtime.messaging.wire.measurement_messages import (
    Echo,
    Probe,
    TrialRequest,
    TrialResult,
    filling,
)
from edgeseg_runtime.messaging.wire.session_messages import (
    Bye,
    CodecTime,
    Hello,
    Ping,
    Pong,
    Refused,
    Welcome,
)
from edgeseg_runtime.messaging.wire.slice_messages import (
    Failed,
    SliceResult,
    TensorData,
)
from edgeseg_runtime.messaging.wire.status_messages import (
    StatusRequest,
    WorkerStatus,
)

__all__ = [
    "HELD_SECONDS",
    "MAX_HEADER_BYTES",
    "MAX_PROBE_BYTES",
    "NO_EPOCH",
    "OTHER_PROTOCOL",
    "PROTOCOL",
    "AnyMessage",
    "Assignment",
    "Bye",
    "CodecTime",
    "Dtype",
    "Echo",
    "Failed",
    "Hello",
    "Job",
    "Message",
    "Peer",
    "PieceData",
    "PieceRequest",
    "PieceTime",
    "Ping",
    "Pong",
    "Probe",
    "Ready",
    "Refused",
    "Routes",
    "Seconds",
    "ShortText",
    "SliceResult",
    "StatusRequest",
    "TensorData",
    "TrialRequest",
    "TrialResult",
    "Welcome",
    "WireShape",
    "WorkerStatus",
    "declared_bytes",
    "decode",
    "encode",
    "filling",
    "foreign_message",
    "tensor_array",
    "tensor_bytes",
]
