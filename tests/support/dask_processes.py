"""A Dask scheduler and workers as real processes, and what a test sees of a study's own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import psutil
from typing_extensions import Self

_STOP_SECONDS = 5.0
_WAIT_SECONDS = 90.0


def until(condition: Callable[[], object], seconds: float = _WAIT_SECONDS) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def dask_workers(study: int) -> list[psutil.Process]:
    """Return the Dask workers that a study's process has on this machine."""
    return [child for child in psutil.Process(study).children() if _is_spawned(child)]


def segmenting(worker: psutil.Process) -> bool:
    """Tell whether a Dask worker is in mid-volume: its own worker is at work."""
    try:
        return any(child.cpu_times().user > 0.5 for child in worker.children())
    except psutil.NoSuchProcess:
        return False


def _is_spawned(child: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(child.cmdline())
    except psutil.NoSuchProcess:  # it ended a moment ago, waited for or not
        return False


class DaskProcesses:
    """A scheduler on loopback, and workers of it; ends them with the block.

    Parameters
    ----------
    folder
        Where they may write.
    protocol
        ``tcp`` or ``tls``.
    environment
        What all of them are told.
    """

    def __init__(self, folder: Path, protocol: str, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._file = folder / "scheduler.json"
        self._protocol = protocol

    def __enter__(self) -> Self:
        """Start the scheduler and wait until it listens."""
        self._folder.mkdir(exist_ok=True)
        words = ("--port", "0", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")
        where = ("--host", "127.0.0.1", "--protocol", self._protocol)
        self._start("scheduler", *words, *where, "--scheduler-file", self._file)
        until(self._file.exists)
        return self

    @property
    def address(self) -> str:
        """Where the scheduler listens."""
        address: str = json.loads(self._file.read_text())["address"]
        return address

    def worker(self, *words: object, **environment: str) -> None:
        """Start a worker of one thread."""
        where = ("--host", "127.0.0.1", "--protocol", self._protocol)
        scratch = ("--local-directory", self._folder)
        quiet = ("--nthreads", "1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")
        self._start("worker", self.address, *where, *scratch, *quiet, *words, **environment)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the workers, then the scheduler."""
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.kill()
                process.wait()

    def _start(self, role: str, *words: object, **environment: str) -> None:
        log = self._folder / f"{role}-{len(self._processes)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{role}", *map(str, words)],
                env=os.environ | self._environment | environment,
                stdout=file,
                stderr=file,
            )
        self._processes.append(process)
