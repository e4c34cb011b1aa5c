"""The process on a board: listens, serves one coordinator at a time, stops cleanly."""

import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FrameType

import psutil
import zmq

from edgeseg import __version__
from edgeseg.errors import BoardError, UsageError, WireError
from edgeseg.interpreter import engine_name
from edgeseg.measure import peak_resident_bytes
from edgeseg.pages import reuse_freed_memory
from edgeseg_runtime.deployment import Deployment
from edgeseg_runtime.ledger import Ledger
from edgeseg_runtime.threads import Threads
from edgeseg_runtime.transport import Listener, Received, is_local, normalize_endpoint
from edgeseg_runtime.wire import (
    PROTOCOL,
    Assignment,
    Bye,
    Echo,
    Failed,
    Hello,
    PieceData,
    Ping,
    Pong,
    Probe,
    Refused,
    TensorData,
    Trial,
    Welcome,
)

SILENCE_SECONDS = 10.0
"""A coordinator unheard of for so long is gone; what was held for it is dropped."""

_POLL_MS = 500
_NO_EPOCH = 0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerConfig:
    """How a worker is run."""

    listen: str
    memory_limit: int
    cores: int
    insecure: bool = False


class Worker:
    """Serves one coordinator at a time on one listening socket.

    Parameters
    ----------
    config
        Endpoint, memory limit in bytes, cores.
    lifeline
        A file descriptor whose end of file stops the worker, such as a pipe from its parent.

    Raises
    ------
    UsageError
        If it would listen beyond this machine without being told that nobody is checked.
    BoardError
        If the endpoint is taken, or the limit is less than the process itself needs.
    """

    def __init__(self, config: WorkerConfig, lifeline: int | None = None) -> None:
        endpoint = normalize_endpoint(config.listen)
        if not is_local(endpoint) and not config.insecure:
            raise UsageError(
                f"{endpoint} can be reached from other machines and anybody there could use this "
                "worker; add --insecure on a network you trust, or listen on 127.0.0.1"
            )
        self._config = config
        self._lifeline = lifeline
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._listener = Listener(self._context, endpoint)
        self._threads = Threads(config.cores)
        self._engine = engine_name()
        self._base = psutil.Process().memory_info().rss
        Ledger(config.memory_limit, self._base)
        self._deployment: Deployment | None = None
        self._coordinator = b""
        self._session = ""
        self._heard = 0.0
        self._stopped = False

    @property
    def endpoint(self) -> str:
        """Where the worker listens, with the port that was given to it."""
        return self._listener.endpoint

    def serve(self) -> None:
        """Serve until stopped: SIGTERM, SIGINT, or the end of the lifeline."""
        poller = zmq.Poller()
        poller.register(self._listener.socket, zmq.POLLIN)
        poller.register(self._threads.fileno(), zmq.POLLIN)
        if self._lifeline is not None:
            poller.register(self._lifeline, zmq.POLLIN)
        while not self._stopped:
            ready = dict(poller.poll(_POLL_MS))
            if self._lifeline is not None and self._lifeline in ready:
                break
            self._hear()
            self._threads.settle()
            if self._session and time.monotonic() - self._heard > SILENCE_SECONDS:
                self._drop()
        self._drop()
        self._threads.close()
        self._listener.close()
        self._context.term()

    def stop(self) -> None:
        """End :meth:`serve` at its next turn."""
        self._stopped = True

    def _hear(self) -> None:
        while True:
            try:
                received = self._listener.receive()
            except WireError as error:
                _log.warning("refused a message: %s", error)
                continue
            if received is None:
                return
            self._handle(received)

    def _handle(self, received: Received) -> None:
        message = received.message
        if isinstance(message, Hello):
            self._welcome(received.sender, message)
        elif isinstance(message, TensorData):
            self._guard(received, self._accept_tensor)
        elif received.sender != self._coordinator:
            _log.warning("refused a message from somebody not served")
        elif isinstance(message, Ping):
            self._heard = time.monotonic()
            self._pong()
        elif isinstance(message, Bye):
            self._drop()
        else:
            self._guard(received, self._accept_order)

    def _welcome(self, sender: bytes, hello: Hello) -> None:
        if hello.protocol != PROTOCOL:
            reason = f"this worker speaks protocol {PROTOCOL}; install the same edgeseg on both"
            self._listener.send(sender, Refused(_NO_EPOCH, reason))
        elif self._session and hello.session != self._session:
            reason = "this worker serves another coordinator now; wait until that has finished"
            self._listener.send(sender, Refused(_NO_EPOCH, reason))
        elif self._session and sender != self._coordinator:
            reason = "this worker is among the boards already; give each board once"
            self._listener.send(sender, Refused(_NO_EPOCH, reason))
        else:
            self._session, self._coordinator = hello.session, sender
            self._heard = time.monotonic()
            self._listener.send(
                sender,
                Welcome(
                    memory_limit_bytes=self._config.memory_limit,
                    base_memory_bytes=self._base,
                    cores=self._config.cores,
                    versions={"edgeseg": __version__, "engine": self._engine},
                ),
            )

    def _guard(self, received: Received, accept: Callable[[Received], None]) -> None:
        """Do what a message asks; one that breaks the protocol is refused and harms nothing."""
        try:
            accept(received)
        except WireError as error:
            _log.warning("refused a message: %s", error)

    def _accept_tensor(self, received: Received) -> None:
        data = received.message
        if self._deployment is None or not isinstance(data, TensorData):
            return
        try:
            self._deployment.accept_tensor(data, received.payload)
        except WireError as error:
            # The slice can't go on; its coordinator must not wait for it.
            self._listener.send(self._coordinator, Failed(data.job, str(error)))
            raise

    def _accept_order(self, received: Received) -> None:
        message = received.message
        if isinstance(message, Assignment):
            self._assign(message)
        elif isinstance(message, Probe):
            self._echo(message)
        elif isinstance(message, PieceData) and self._deployment is not None:
            self._deployment.accept_piece(message.sha256, received.payload)
        elif isinstance(message, Trial) and self._deployment is not None:
            self._deployment.try_piece(message)
        else:
            raise WireError(f"{type(message).__name__} is nothing a worker is told")

    def _assign(self, assignment: Assignment) -> None:
        self._discharge()
        reply = partial(self._listener.send, self._coordinator)
        try:
            self._deployment = Deployment(
                assignment,
                Ledger(self._config.memory_limit, self._base),
                self._threads,
                self._context,
                reply,
            )
        except BoardError as error:
            reply(Refused(assignment.epoch, str(error)))
        else:
            self._deployment.prepare()

    def _echo(self, probe: Probe) -> None:
        """Answer a probe; while pieces are here there may be no room for that."""
        if self._deployment is not None:
            raise WireError("a probe must come before the pieces")
        self._listener.send(self._coordinator, Echo(), bytes(probe.answer_bytes))

    def _pong(self) -> None:
        deployment = self._deployment
        self._listener.send(
            self._coordinator,
            Pong(
                peak_memory_bytes=peak_resident_bytes(),
                sent_bytes=self._listener.sent_bytes + (deployment.sent_bytes if deployment else 0),
                received_bytes=self._listener.received_bytes,
                piece_times=deployment.piece_times if deployment else {},
            ),
        )

    def _discharge(self) -> None:
        if self._deployment is not None:
            self._deployment.close()
        self._deployment = None

    def _drop(self) -> None:
        self._discharge()
        self._session, self._coordinator = "", b""
        self._listener.reset_counts()


def run_worker(config: WorkerConfig, lifeline: int | None = None) -> None:
    """Run a worker in this process until it is told to stop; its endpoint goes to stdout.

    Raises
    ------
    UsageError, BoardError
        As :class:`Worker`.
    """
    reuse_freed_memory()
    worker = Worker(config, lifeline)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    os.write(1, f"listening on {worker.endpoint}\n".encode())
    worker.serve()
