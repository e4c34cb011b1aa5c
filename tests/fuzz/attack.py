"""What both attacks share: how the target fared, and what it must not exceed."""

import threading
from dataclasses import dataclass, field

import psutil
from processes import RunningWorker

from edgeseg.text.units import MIB

MAX_GROWTH_BYTES = 64 * MIB
"""Room for what the sockets hold and the largest messages; a leak of a hundred bytes shows."""

MAX_LOG_BYTES = MIB
MAX_ANSWER_SECONDS = 10.0
"""No answer may take longer, whatever else comes in."""

BATCH = 2_000


class BrokenError(Exception):
    """The target heeded a hostile message, or did not stand it."""


@dataclass(frozen=True)
class Attack:
    """What came of an attack."""

    target: str
    messages: int
    seconds: float
    growth_mib: float
    slowest_answer_seconds: float
    log_bytes: int
    kinds: dict[str, int]
    answers: dict[str, int]


@dataclass
class Watched:
    """The memory of a process, and the time it takes to answer."""

    pid: int
    slowest: float = 0.0
    start: int = 0
    peak: int = field(default=0)

    def sample(self, seconds: float) -> None:
        """Note the memory now, and how long an answer took."""
        resident = psutil.Process(self.pid).memory_info().rss
        self.start = self.start or resident
        self.peak = max(self.peak, resident)
        self.slowest = max(self.slowest, seconds)

    def check(self) -> float:
        """Return by how many MiB the memory grew at most; it must be little."""
        if self.peak - self.start > MAX_GROWTH_BYTES:
            raise BrokenError(f"memory grew from {self.start} to {self.peak} bytes")
        if self.slowest > MAX_ANSWER_SECONDS:
            raise BrokenError(f"an answer took {self.slowest:.1f} s")
        return (self.peak - self.start) / MIB


class Log:
    """Reads what a worker logs, so that it is never held up, and counts the bytes."""

    def __init__(self, worker: RunningWorker) -> None:
        self.size = 0
        self._pipe = worker.process.stderr
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._pipe or ():
            self.size += len(line)

    def check(self) -> int:
        """Return how many bytes there were; a flood of messages must make no flood of lines."""
        if self.size > MAX_LOG_BYTES:
            raise BrokenError(f"{self.size} bytes of log")
        return self.size
