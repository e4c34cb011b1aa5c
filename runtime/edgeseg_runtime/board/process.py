"""Runs a worker as a process: its log, its signals, what it tells systemd, and its end."""

import logging
import os
import signal
from types import FrameType

from edgeseg.inference.process_memory import reuse_freed_memory
from edgeseg_runtime.board.config import WorkerConfig
from edgeseg_runtime.board.telemetry import logs
from edgeseg_runtime.board.telemetry.systemd import notify
from edgeseg_runtime.board.worker import Worker


def run_worker(config: WorkerConfig, lifeline: int | None = None) -> None:
    """Run a worker in this process until it is told to stop; its endpoint goes to stdout.

    SIGTERM and SIGINT stop it at once. If an inference still runs in a thread then, for which
    Python would wait at its exit, the process ends without waiting, after all else is closed.

    Parameters
    ----------
    config
        How the worker is run.
    lifeline
        A file descriptor whose end of file stops the worker.

    Raises
    ------
    UsageError, BoardError
        As :class:`Worker`.
    """
    reuse_freed_memory()
    logs.configure(config.log_format, config.verbose)
    worker = Worker(config, lifeline)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    os.write(1, f"{logs.start_line(config.log_format, worker.endpoint)}\n".encode())
    notify("READY=1")
    worker.serve()
    notify("STOPPING=1")
    logging.shutdown()
    if worker.busy:
        os._exit(0)
