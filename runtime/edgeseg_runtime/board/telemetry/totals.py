"""Figures of a worker: of this moment, of its session, and totals since it started."""

import logging
import time
from dataclasses import dataclass, field

from edgeseg.boards.boards_file import UNMEASURED, CoreSpeed
from edgeseg.inference.measure import peak_resident_bytes, resident_bytes
from edgeseg_runtime.board.deployment import Deployment
from edgeseg_runtime.board.telemetry.logs import log_event
from edgeseg_runtime.machine import temperature
from edgeseg_runtime.messaging.listener import Listener
from edgeseg_runtime.messaging.wire import CodecTime, Pong, WorkerStatus


@dataclass(frozen=True)
class WorkerInfo:
    """What does not change while a worker runs.

    Parameters
    ----------
    versions
        Of edgeseg and of the engine, by name.
    memory_limit_bytes
        What the process may take.
    base_memory_bytes
        What it takes before any piece, and what strangers may make it take.
    process_bytes
        What it took when it began to listen.
    cores
        How many steps run at once.
    core_speed
        How fast one core is.
    codecs
        Those that it knows, and what they cost one of its cores.
    """

    versions: dict[str, str]
    memory_limit_bytes: int
    base_memory_bytes: int
    process_bytes: int
    cores: int
    core_speed: CoreSpeed = UNMEASURED
    codecs: dict[str, CodecTime] = field(default_factory=dict)


class WorkerTotals:
    """Adds up what a worker does over its deployments and sessions.

    Parameters
    ----------
    info
        What every status repeats.
    """

    def __init__(self, info: WorkerInfo) -> None:
        self._info = info
        self._start = time.monotonic()
        self._sent_bytes = self._received_bytes = 0
        self._runs = self._slices = self._refusals = 0

    def add_deployment(self, deployment: Deployment) -> None:
        """Add the figures of a deployment that ends."""
        self._sent_bytes += deployment.sent_bytes
        self._runs += _runs(deployment)
        self._slices += deployment.slices_passed

    def add_session(self, listener: Listener) -> None:
        """Add the bytes of a session that ends; the counts of the listener begin again."""
        self._sent_bytes += listener.sent_bytes
        self._received_bytes += listener.received_bytes
        listener.reset_counts()

    def count_refusal(self, event: str, reason: str) -> None:
        """Count and log something that is refused."""
        self._refusals += 1
        log_event(logging.WARNING, event, reason=reason)

    def status(
        self, listener: Listener, deployment: Deployment | None, session_start: float | None
    ) -> WorkerStatus:
        """Return the figures of this moment.

        Parameters
        ----------
        listener
            Counts the bytes of the session.
        deployment
            What runs now, if anything.
        session_start
            When the session began, in seconds of ``time.monotonic``; None while nobody is served.
        """
        now = time.monotonic()
        return WorkerStatus(
            versions=self._info.versions,
            uptime_seconds=now - self._start,
            session_seconds=None if session_start is None else now - session_start,
            cores=self._info.cores,
            memory_bytes=resident_bytes(),
            peak_memory_bytes=peak_resident_bytes(),
            memory_limit_bytes=self._info.memory_limit_bytes,
            pieces=deployment.piece_times if deployment else {},
            slices_held=deployment.slices_held if deployment else 0,
            slices=self._slices + (deployment.slices_passed if deployment else 0),
            runs=self._runs + (_runs(deployment) if deployment else 0),
            sent_bytes=self._sent_bytes + _session_sent_bytes(listener, deployment),
            received_bytes=self._received_bytes + listener.received_bytes,
            refusals=self._refusals,
            temperature=temperature(),
        )


def session_pong(listener: Listener, deployment: Deployment | None, running_seconds: float) -> Pong:
    """Return the figures of a session, as its coordinator is told them.

    Parameters
    ----------
    listener
        Counts the bytes of the session.
    deployment
        What runs now, if anything.
    running_seconds
        For how long a thread has been at one piece of work.
    """
    return Pong(
        peak_memory_bytes=peak_resident_bytes(),
        sent_bytes=_session_sent_bytes(listener, deployment),
        received_bytes=listener.received_bytes,
        piece_times=deployment.piece_times if deployment else {},
        running_seconds=running_seconds,
    )


def _session_sent_bytes(listener: Listener, deployment: Deployment | None) -> int:
    """Return the bytes sent in this session: answers, and tensors to other boards."""
    return listener.sent_bytes + (deployment.sent_bytes if deployment else 0)


def _runs(deployment: Deployment) -> int:
    return sum(piece.runs for piece in deployment.piece_times.values())
