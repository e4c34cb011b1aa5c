"""The message loop of a worker: listens, hands over results, stops cleanly."""

import time
from typing import TYPE_CHECKING

import zmq

from edgeseg_runtime.board.config import WorkerConfig
from edgeseg_runtime.board.resources import check_exposure, open_resources
from edgeseg_runtime.board.router import Router
from edgeseg_runtime.board.telemetry.systemd import Watchdog

if TYPE_CHECKING:
    from edgeseg_runtime.board.telemetry.monitor import Monitor

_POLL_MS = 500
_RECEIVE_SECONDS = 0.05
"""Results and signals wait no longer than this for a flood of messages."""


class Worker:
    """Serves one coordinator at a time on one listening socket.

    Parameters
    ----------
    config
        How it is run.
    lifeline
        A file descriptor whose end of file stops the worker, such as a pipe from its parent.

    Raises
    ------
    UsageError
        If it would listen beyond this machine without being told that nobody is checked, or its
        endpoint or keys can't be used.
    BoardError
        If the endpoint is taken, or the limit is less than the process itself needs.
    """

    def __init__(self, config: WorkerConfig, lifeline: int | None = None) -> None:
        check_exposure(config)
        self._lifeline = lifeline
        # Before the resources: what it takes counts as memory of the process itself.
        self._monitor = _monitor(config.metrics)
        self._resources = open_resources(config)
        self._router = Router(self._resources)
        self._stopped = False

    @property
    def endpoint(self) -> str:
        """Where the worker listens, with the port that was given to it."""
        return self._resources.listener.endpoint

    @property
    def busy(self) -> bool:
        """Whether something may still run in a thread."""
        return self._resources.threads.running > 0

    def serve(self) -> None:
        """Serve until stopped: by :meth:`stop`, or the end of the lifeline."""
        threads = self._resources.threads
        poller = zmq.Poller()
        poller.register(self._resources.listener.socket, zmq.POLLIN)
        poller.register(threads.fileno(), zmq.POLLIN)
        if self._lifeline is not None:
            poller.register(self._lifeline, zmq.POLLIN)
        watchdog = Watchdog()
        while not self._stopped:
            readable = dict(poller.poll(_POLL_MS))
            if self._lifeline is not None and self._lifeline in readable:
                break
            self._receive()
            threads.settle()
            self._router.drop_silent_coordinator()
            watchdog.beat()
            if self._monitor is not None and self._monitor.due:
                self._monitor.publish(self._router.status())
        self._router.close()
        self._resources.close()

    def stop(self) -> None:
        """End :meth:`serve` at its next turn, which comes at once; safe in a signal handler."""
        self._stopped = True
        self._resources.threads.wake()

    def _receive(self) -> None:
        deadline = time.monotonic() + _RECEIVE_SECONDS
        while time.monotonic() < deadline and self._router.receive():
            pass


def _monitor(address: str | None) -> "Monitor | None":
    """Serve metrics if an address is given; only then is what that needs imported."""
    if address is None:
        return None
    from edgeseg_runtime.board.telemetry.monitor import Monitor

    return Monitor(address)
