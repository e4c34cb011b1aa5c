"""Real processes for tests: workers that listen, and runs of the command line."""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

_COMMAND = (sys.executable, "-m", "edgeseg")
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Ran:
    """What a finished command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line on standard error; nothing else may stand there."""
        (line,) = self.err.splitlines()
        return line


def edgeseg(*words: object, timeout: float = 60.0, command: Sequence[str] = _COMMAND) -> Ran:
    """Run ``edgeseg`` to its end, another installation of it where a command is given."""
    run = subprocess.run(
        [*command, *map(str, words)], capture_output=True, check=False, text=True, timeout=timeout
    )
    return Ran(run.returncode, run.stdout, run.stderr)


def edgeseg_process(*words: object, command: Sequence[str] = _COMMAND) -> "subprocess.Popen[str]":
    """Start ``edgeseg`` and leave it running, another installation where a command is given."""
    return subprocess.Popen(
        [*command, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@dataclass(frozen=True)
class RunningWorker:
    """A worker of this test."""

    process: "subprocess.Popen[str]"
    endpoint: str

    @property
    def peak_bytes(self) -> int:
        """Bytes of memory that it has taken at most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024


class Workers:
    """Starts workers and ends them with the block."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        """Begin with none."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill those that still run."""
        for process in self._processes:
            process.kill()
            process.wait(_STOP_SECONDS)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def start(
        self,
        *words: object,
        limit: str | int = "1GiB",
        cores: int = 1,
        command: Sequence[str] = _COMMAND,
    ) -> RunningWorker:
        """Start a worker on a free port of this machine and wait until it listens."""
        process = edgeseg_process(
            *("worker", "--listen", "tcp://127.0.0.1:*", "--memory-limit", limit),
            *("--cores", cores, *words),
            command=command,
        )
        self._processes.append(process)
        line = process.stdout.readline() if process.stdout else ""
        match = re.fullmatch(r"listening on (\S+)\n", line)
        if match is None:
            raise AssertionError(process.communicate(timeout=_STOP_SECONDS))
        return RunningWorker(process, match[1])


def segment(bundle: Path, scan: Path, output: Path, worker: RunningWorker, *words: object) -> Ran:
    """Segment a scan on one worker."""
    return edgeseg("segment", bundle, scan, "-o", output, "--board", worker.endpoint, *words)


def output_of(process: "subprocess.Popen[str]", timeout: float = 30.0) -> Ran:
    """Wait for a started command to end."""
    out, err = process.communicate(timeout=timeout)
    return Ran(process.returncode, out, err)


def one_line(ran: Ran, code: int, *words: str) -> None:
    """Assert that a command failed as it should: exit code, one line, the words that matter."""
    assert ran.code == code, ran
    assert ran.complaint.startswith("edgeseg: "), ran
    for word in words:
        assert word in ran.complaint, (word, ran.complaint)
