"""The process in which a piece is loaded and run for the first time; forked from the worker.

It shares the worker's memory until one of them writes to it, so it takes little more than the
piece does, and starts in milliseconds.
"""

import ctypes
import gc
import os
import resource
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import msgspec

from edgeseg.inference.engine import open_engine
from edgeseg_runtime.board.pieces.proofs import Proof, kinds_of

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
_KIB = 1024


class Complaint(msgspec.Struct, frozen=True, tag=True):
    """Why a piece did not run: the engine's words."""

    reason: str


@dataclass(frozen=True)
class WritableMemory:
    """Bytes that a process has asked for, and those that it has touched."""

    asked_bytes: int
    touched_bytes: int


def run_trial(model: Path, file_format: str, answer: int, room_bytes: int, parent: int) -> NoReturn:
    """Load and run a piece, write a proof or a complaint to a pipe, and end this process.

    Parameters
    ----------
    model, file_format
        The file of the piece.
    answer
        File descriptor of the pipe.
    room_bytes
        How much memory may be asked for.
    parent
        Process id of the worker: this process ends with it.
    """
    try:
        _restrict(answer, room_bytes, parent)
        message: Proof | Complaint = _load_and_run(model, file_format)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it must not leave this function
        message = Complaint(" ".join(f"{error or type(error).__name__}".split()))
    with suppress(OSError):
        rest = memoryview(msgspec.json.encode(message))
        while rest:
            rest = rest[os.write(answer, rest) :]
    # Without the worker's exit handlers, which are none of this process's business.
    os._exit(0)


def _restrict(answer: int, room_bytes: int, parent: int) -> None:
    """Let go of all that is the worker's, and limit what the piece can do to the board."""
    gc.disable()  # nothing of the worker's is to be finalized here
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    for descriptor in [int(link.name) for link in Path("/proc/self/fd").iterdir()]:
        if descriptor > 2 and descriptor != answer:
            with suppress(OSError):
                os.close(descriptor)
    # Where memory runs out all the same this process is to go, not the worker.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = memory_of(os.getpid()).asked_bytes + max(0, room_bytes)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _load_and_run(model: Path, file_format: str) -> Proof:
    before = _memory()
    engine = open_engine(model, file_format, warm=True)
    after = _memory()
    # Pages of libraries that this process is the first to touch here are the worker's already.
    file_bytes = max(0, after["RssFile"] - before["RssFile"])
    return Proof(
        peak_memory_bytes=max(0, after["VmHWM"] - before["VmRSS"] - file_bytes),
        resident_memory_bytes=max(0, after["VmRSS"] - before["VmRSS"] - file_bytes),
        inputs=kinds_of(engine.inputs),
        outputs=kinds_of(engine.outputs),
    )


def memory_of(pid: int) -> WritableMemory:
    """Return how much writable memory a process has.

    Raises
    ------
    OSError
        If there is no such process.
    """
    sizes = _status(pid)
    return WritableMemory(sizes.get("VmData", 0), sizes.get("RssAnon", 0))


def _memory() -> dict[str, int]:
    return {"RssFile": 0, "VmHWM": 0, "VmRSS": 0} | _status(os.getpid())


def _status(pid: int) -> dict[str, int]:
    """Return the sizes in bytes that the kernel tells of a process, by their names there."""
    sizes = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            sizes[name] = int(value.split()[0]) * _KIB
    return sizes
