"""The process on a board: listens, serves one coordinator at a time, stops cleanly."""

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

import zmq

from edgeseg import __version__
from edgeseg.errors import UsageError, WireError, field_name
from edgeseg.inference.engine import engine_name
from edgeseg.inference.measure import resident_bytes
from edgeseg_runtime.board.admission import Admission, other_protocol
from edgeseg_runtime.board.config import WorkerConfig
from edgeseg_runtime.board.memory.ledger import Ledger
from edgeseg_runtime.board.memory.spool import spool_root, sweep
from edgeseg_runtime.board.session import Session, WorkerResources
from edgeseg_runtime.board.telemetry.logs import say
from edgeseg_runtime.board.telemetry.systemd import Watchdog
from edgeseg_runtime.board.telemetry.telemetry import WorkerInfo, WorkerTotals, pong
from edgeseg_runtime.board.threads import Threads
from edgeseg_runtime.messaging.endpoints import is_local, normalize_endpoint
from edgeseg_runtime.messaging.transport import Listener, Received
from edgeseg_runtime.messaging.wire import (
    PROTOCOL,
    Bye,
    Hello,
    Ping,
    StatusRequest,
    TensorData,
    Welcome,
    WorkerStatus,
)
from edgeseg_runtime.messaging.zap_auth import gate_for

if TYPE_CHECKING:
    from edgeseg_runtime.board.telemetry.monitor import Monitor

_POLL_MS = 500
_HEAR_SECONDS = 0.05
"""Results and signals wait no longer than this for a flood of messages."""

_MONITOR_SECONDS = 1.0
_SHOWN = 8
"""Characters of a session that are logged."""


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
        if not is_local(endpoint) and not config.key and not config.insecure:
            raise UsageError(
                f"{endpoint} can be reached from other machines and anybody there could use this "
                f"worker; make a key with edgeseg keygen and give it with "
                f"{field_name('key')}, or add {field_name('insecure')} on a network you trust"
            )
        self._lifeline = lifeline
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._gate = gate_for(self._context, config.key, config.authorized)
        self._listener = Listener(self._context, endpoint, self._gate.keys, config.limit)
        self._threads = Threads(config.cores)
        self._nature = WorkerInfo(
            {"edgeseg": __version__, "engine": engine_name()}, config.limit, config.cores
        )
        self._chronicle = WorkerTotals(self._nature)
        self._monitor = _monitor(config.metrics)
        self._premises = self._open(spool_root(config.spool))
        self._reception = Admission()
        self._duty: Session | None = None
        self._monitored = 0.0
        self._stopped = False

    @property
    def endpoint(self) -> str:
        """Where the worker listens, with the port that was given to it."""
        return self._listener.endpoint

    @property
    def busy(self) -> bool:
        """Whether something may still run in a thread."""
        return self._threads.running > 0

    def serve(self) -> None:
        """Serve until stopped: by :meth:`stop`, or the end of the lifeline."""
        poller = zmq.Poller()
        poller.register(self._listener.socket, zmq.POLLIN)
        poller.register(self._threads.fileno(), zmq.POLLIN)
        if self._lifeline is not None:
            poller.register(self._lifeline, zmq.POLLIN)
        watchdog = Watchdog()
        while not self._stopped:
            ready = dict(poller.poll(_POLL_MS))
            if self._lifeline is not None and self._lifeline in ready:
                break
            self._hear()
            self._threads.settle()
            if self._reception.abandoned(time.monotonic()):
                self._drop("coordinator fell silent")
            watchdog.beat()
            self._show()
        self._close()

    def stop(self) -> None:
        """End :meth:`serve` at its next turn, which comes at once; safe in a signal handler."""
        self._stopped = True
        self._threads.wake()

    def _open(self, spool: Path) -> WorkerResources:
        """Tidy up, and measure what the process takes before any piece."""
        sweep(spool)
        base = resident_bytes()
        Ledger(self._nature.memory_limit, base)
        return WorkerResources(
            limit=self._nature.memory_limit,
            base=base,
            context=self._context,
            listener=self._listener,
            threads=self._threads,
            gate=self._gate,
            spool_root=spool,
            chronicle=self._chronicle,
        )

    def _close(self) -> None:
        if self._duty is not None:
            self._drop("stopped while serving")
        self._threads.close()
        self._listener.close()
        self._context.term()

    def _hear(self) -> None:
        until = time.monotonic() + _HEAR_SECONDS
        while time.monotonic() < until and self._hear_one():
            pass

    def _hear_one(self) -> bool:
        """Do what the next message asks; one that breaks the protocol harms nothing."""
        try:
            received = self._listener.receive()
            if received is not None:
                self._handle(received)
        except WireError as error:
            self._chronicle.refuse("refused a message", str(error))
            return True
        return received is not None

    def _handle(self, received: Received) -> None:
        message, sender, duty = received.message, received.sender, self._duty
        served = duty is not None and sender == self._reception.coordinator
        kind = type(message).__name__
        if isinstance(message, TensorData):
            if not served and not self._gate.sends(received.key):
                raise WireError("a tensor from a board that sends nothing here")
            if duty is not None:
                duty.accept_tensor(message, received.payload)
        elif not self._gate.commands(received.key):
            raise WireError(f"{kind} from a board that gives no orders")
        elif isinstance(message, Hello):
            self._welcome(sender, message)
        elif isinstance(message, StatusRequest):
            self._tell(sender, message)
        elif duty is None or not served:
            raise WireError(f"{kind} from somebody not served")
        elif isinstance(message, Ping):
            self._reception.hear(time.monotonic())
            self._listener.send(sender, pong(self._listener, duty.deployment))
        elif isinstance(message, Bye):
            self._drop("coordinator went")
        else:
            duty.follow(message, received.payload)

    def _welcome(self, sender: bytes, hello: Hello) -> None:
        objection = self._reception.objection(sender, hello)
        if objection is not None:
            self._chronicle.refuse("refused a coordinator", objection.reason)
            self._listener.send(sender, objection)
            return
        if self._reception.admit(sender, hello, time.monotonic()):
            if self._duty is not None:
                # What is held was to be answered over a connection that is no more.
                self._duty.close()
            self._duty = Session(sender, self._premises)
            say(logging.INFO, "coordinator came", session=hello.session[:_SHOWN])
        nature = self._nature
        self._listener.send(
            sender,
            Welcome(nature.memory_limit, self._premises.base, nature.cores, nature.versions),
        )

    def _tell(self, sender: bytes, ask: StatusRequest) -> None:
        known = ask.protocol == PROTOCOL
        self._listener.send(sender, self._condition() if known else other_protocol())

    def _condition(self) -> WorkerStatus:
        if self._duty is None:
            return self._chronicle.condition(self._listener, None, None)
        since = self._reception.since
        return self._chronicle.condition(self._listener, self._duty.deployment, since)

    def _show(self) -> None:
        now = time.monotonic()
        if self._monitor is not None and now - self._monitored > _MONITOR_SECONDS:
            self._monitored = now
            self._monitor.publish(self._condition())

    def _drop(self, event: str) -> None:
        """Drop all that is held for the coordinator, and serve nobody."""
        if self._duty is not None:
            self._duty.close()
        self._duty = None
        self._chronicle.add_session(self._listener)
        seconds = time.monotonic() - self._reception.since
        self._reception.dismiss()
        say(logging.INFO, event, seconds=round(seconds, 1))


def _monitor(address: str | None) -> "Monitor | None":
    """Serve figures if that is wanted; only then is what it needs loaded."""
    if address is None:
        return None
    from edgeseg_runtime.board.telemetry.monitor import Monitor

    return Monitor(address)
