"""Workers on the machines of a lab, each within its quota, ended with the block."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import quota
from network import Machine

from edgeseg.text.units import MIB

PORT = 7355
_STOP_SECONDS = 10.0
_SLACK = 64 * MIB
"""What a group may take beyond the worker's own limit: files that the process reads count too."""


@contextmanager
def workers(boards: Sequence[Machine], cores: float | None, memory: int) -> Iterator[None]:
    """Run a worker of one core on every board.

    Parameters
    ----------
    boards
        The machines.
    cores
        Share of a core that each may take; None where quotas can't be set.
    memory
        Bytes that each may take.
    """
    with ExitStack() as stack:
        for board in boards:
            groups = []
            if cores is not None:
                groups = stack.enter_context(quota.quota(board.namespace, cores, memory + _SLACK))
            listen = f"tcp://{board.address}:{PORT}"
            words = ("worker", "--listen", listen, "--insecure", "--cores", 1)
            command = [sys.executable, "-m", "edgeseg", *words, "--memory-limit", memory]
            process = subprocess.Popen(board.command(command), stdout=subprocess.PIPE, text=True)
            stack.callback(stop, process)
            for group in groups:
                group.write_text(str(process.pid))
            if process.stdout is None or not process.stdout.readline().startswith("listening"):
                raise RuntimeError(f"the worker of {board.name} did not start")
        yield


def stop(process: "subprocess.Popen[str]") -> None:
    """Ask a process to end; it is killed if it does not."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
