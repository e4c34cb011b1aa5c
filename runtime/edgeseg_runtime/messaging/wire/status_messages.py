"""Messages of ``edgeseg status``: the figures of a worker, for anybody who may ask."""

from edgeseg_runtime.messaging.wire.fields import Message, PieceTime


class StatusRequest(Message, frozen=True):
    """From anybody: a request for figures, without a session."""

    protocol: int


class WorkerStatus(Message, frozen=True):
    """From a worker: figures of this moment, and totals since it started; no slice data.

    ``session_seconds`` is None while nobody is served, ``pieces`` are those of this epoch,
    ``temperature`` is in degrees Celsius, None where the board doesn't tell.
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
