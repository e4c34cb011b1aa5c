"""Workers on this machine: how many, how large, and their child processes."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from types import TracebackType

import msgspec
import psutil

from edgeseg.boards.boards_file import BoardEntry
from edgeseg.errors import BoardError, EdgesegError
from edgeseg.files.ownership import scratch_folder
from edgeseg_runtime.board.config import WorkerConfig
from edgeseg_runtime.board.process import run_worker

SMALLEST_SHARE = 512 * 2**20
"""Below so much memory a further worker is not worth having."""

_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class WorkerShare:
    """How many equal workers share this machine, and the cores and bytes of each."""

    count: int
    cores: int
    memory_limit: int


def usable_memory(available: int) -> int:
    """Return how many of the available bytes workers may take together: four fifths."""
    return available * 4 // 5


def share_machine(cores: int, available: int, count: int | None, limit: int | None) -> WorkerShare:
    """Divide a machine among workers. Pure.

    By default there is one worker a core, fewer where memory is short, and together they take
    what is :func:`usable_memory`.

    Parameters
    ----------
    cores, available
        Of the machine; memory in bytes.
    count
        How many workers, if the user says so.
    limit
        Bytes of each, if the user says so.
    """
    workers = count or max(1, min(cores, available // (limit or SMALLEST_SHARE)))
    return WorkerShare(
        workers, max(1, cores // workers), limit or usable_memory(available) // workers
    )


def this_machine(count: int | None, limit: int | None) -> WorkerShare:
    """Divide this machine, as it is now, as :func:`share_machine` does."""
    cores = len(os.sched_getaffinity(0))
    return share_machine(cores, psutil.virtual_memory().available, count, limit)


class LocalWorkers:
    """Workers as child processes that end with the block, or with this process if it is killed.

    They listen in a folder that other users of the machine can't enter, so they need no keys.

    Parameters
    ----------
    share
        How many, and how large.

    Raises
    ------
    BoardError
        If a worker does not start; the message is its own.
    """

    def __init__(self, share: WorkerShare) -> None:
        self._share = share
        self._processes: list[subprocess.Popen[str]] = []
        self._scratch = ExitStack()

    def __enter__(self) -> tuple[BoardEntry, ...]:
        """Start the workers and return their entries for a boards file."""
        self._folder = self._scratch.enter_context(scratch_folder())
        try:
            for number in range(self._share.count):
                self._processes.append(self._start(number))
            return _listening(self._processes)
        except BaseException:
            self._stop()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the workers."""
        self._stop()

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers."""
        return tuple(process.pid for process in self._processes)

    def _start(self, number: int) -> "subprocess.Popen[str]":
        limit, cores = str(self._share.memory_limit), self._share.cores
        config = WorkerConfig(f"ipc://{self._folder}/{number}", limit, cores, verbose=False)
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "edgeseg_runtime.local_workers",
                msgspec.json.encode(config).decode(),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        self._scratch.close()


def _listening(processes: Sequence["subprocess.Popen[str]"]) -> tuple[BoardEntry, ...]:
    entries = []
    for number, process in enumerate(processes, start=1):
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith("listening on "):
            reason = process.stderr.read() if process.stderr else ""
            raise BoardError(f"a local worker did not start: {' '.join(reason.split())}")
        entries.append(BoardEntry(f"local-{number}", line.removeprefix("listening on ").strip()))
    return tuple(entries)


if __name__ == "__main__":
    # Standard input is a pipe from the parent: its end stops the worker.
    try:
        run_worker(msgspec.json.decode(sys.argv[1], type=WorkerConfig), lifeline=sys.stdin.fileno())
    except EdgesegError as error:
        sys.exit(str(error))
