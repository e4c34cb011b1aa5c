"""How a worker fares: figures of this moment, and totals since it started."""

import logging
import time
from dataclasses import dataclass

from edgeseg.inference.measure import peak_resident_bytes, resident_bytes
from edgeseg_runtime.board.deployment import Deployment
from edgeseg_runtime.board.telemetry.logs import say
from edgeseg_runtime.machine import temperature
from edgeseg_runtime.messaging.transport import Listener
from edgeseg_runtime.messaging.wire import Pong, WorkerStatus


@dataclass(frozen=True)
class WorkerInfo:
    """What does not change while a worker runs."""

    versions: dict[str, str]
    memory_limit: int
    cores: int


class WorkerTotals:
    """Keeps the totals of a worker over its deployments and sessions.

    Parameters
    ----------
    nature
        What every condition repeats.
    """

    def __init__(self, nature: WorkerInfo) -> None:
        self._nature = nature
        self._started = time.monotonic()
        self._sent = self._received = self._runs = self._slices = self._refusals = 0

    def add_deployment(self, deployment: Deployment) -> None:
        """Add the totals of a deployment that ends."""
        self._sent += deployment.sent_bytes
        self._runs += _runs(deployment)
        self._slices += deployment.slices_passed

    def add_session(self, listener: Listener) -> None:
        """Add what went through the listener, whose counts begin again."""
        self._sent += listener.sent_bytes
        self._received += listener.received_bytes
        listener.reset_counts()

    def refuse(self, event: str, reason: str) -> None:
        """Count and log something that is refused."""
        self._refusals += 1
        say(logging.WARNING, event, reason=reason)

    def condition(
        self, listener: Listener, deployment: Deployment | None, session_start: float | None
    ) -> WorkerStatus:
        """Return how the worker fares now."""
        now = time.monotonic()
        return WorkerStatus(
            versions=self._nature.versions,
            uptime_seconds=now - self._started,
            session_seconds=None if session_start is None else now - session_start,
            cores=self._nature.cores,
            memory_bytes=resident_bytes(),
            peak_memory_bytes=peak_resident_bytes(),
            memory_limit_bytes=self._nature.memory_limit,
            pieces=dict(deployment.piece_times) if deployment else {},
            slices_held=deployment.slices_held if deployment else 0,
            slices=self._slices + (deployment.slices_passed if deployment else 0),
            runs=self._runs + (_runs(deployment) if deployment else 0),
            sent_bytes=self._sent + sent_bytes(listener, deployment),
            received_bytes=self._received + listener.received_bytes,
            refusals=self._refusals,
            temperature=temperature(),
        )


def pong(listener: Listener, deployment: Deployment | None) -> Pong:
    """Return what a coordinator is told of its session."""
    return Pong(
        peak_memory_bytes=peak_resident_bytes(),
        sent_bytes=sent_bytes(listener, deployment),
        received_bytes=listener.received_bytes,
        piece_times=deployment.piece_times if deployment else {},
    )


def sent_bytes(listener: Listener, deployment: Deployment | None) -> int:
    """Return what was sent in this session: answers, and tensors to other boards."""
    return listener.sent_bytes + (deployment.sent_bytes if deployment else 0)


def _runs(deployment: Deployment) -> int:
    return sum(took.runs for took in deployment.piece_times.values())
