"""Passes each message that comes in to whoever handles it, if its sender may send it."""

import logging
import time

from edgeseg.errors import WireError
from edgeseg_runtime.board.admission import Admission, protocol_refusal
from edgeseg_runtime.board.resources import WorkerResources
from edgeseg_runtime.board.session import Session
from edgeseg_runtime.board.telemetry.logs import log_event
from edgeseg_runtime.board.telemetry.totals import session_pong
from edgeseg_runtime.messaging.listener import Received, Sender, SenderDamagedError
from edgeseg_runtime.messaging.wire import (
    PROTOCOL,
    AnyMessage,
    Bye,
    Hello,
    Ping,
    StatusRequest,
    TensorData,
    Welcome,
    WorkerStatus,
)

_SESSION_SHOWN = 8
"""Characters of a session's name that are logged."""


class Router:
    """Admits one coordinator at a time and routes messages to its session.

    Parameters
    ----------
    resources
        Those of the worker.
    """

    def __init__(self, resources: WorkerResources) -> None:
        self._resources = resources
        self._admission = Admission()
        self._session: Session | None = None

    def receive(self) -> bool:
        """Handle the next message that has come in; return whether there was one.

        A message that breaks the protocol is counted, logged and dropped.
        """
        try:
            received = self._resources.listener.receive(self._payload_limit)
            if received is not None:
                self._handle(received)
        except SenderDamagedError as error:
            self._resources.totals.count_refusal("refused a message", str(error))
            self._end_if_needed(error.sender)
            return True
        except WireError as error:
            self._resources.totals.count_refusal("refused a message", str(error))
            return True
        return received is not None

    def drop_silent_coordinator(self) -> None:
        """End the session if its coordinator has been silent for too long."""
        if self._admission.is_abandoned(time.monotonic()):
            self._end_session("coordinator fell silent")

    def status(self) -> WorkerStatus:
        """Return the figures of this moment."""
        totals, listener = self._resources.totals, self._resources.listener
        if self._session is None:
            return totals.status(listener, None, None)
        return totals.status(listener, self._session.deployment, self._admission.since)

    def close(self) -> None:
        """End the session, if there is one."""
        if self._session is not None:
            self._end_session("stopped while serving")

    def _payload_limit(self, sender: Sender, message: AnyMessage) -> int:
        """Return how many bytes of payload a message may bring: none unless it is awaited."""
        session = self._session
        if session is None:
            return 0
        if self._is_served(sender.address):
            return session.payload_limit(message)
        may_send = self._resources.authenticator.may_send_tensors(sender.key)
        return session.payload_limit(message) if may_send and isinstance(message, TensorData) else 0

    def _is_served(self, sender: bytes) -> bool:
        return self._session is not None and sender == self._admission.coordinator

    def _end_if_needed(self, sender: bytes) -> None:
        """Break off with the coordinator where something was lost that it waits for.

        It comes back over a new connection, and sends again what is not finished.
        """
        session = self._session
        if session is not None and (self._is_served(sender) or sender in session.senders):
            self._resources.listener.cut(self._admission.coordinator)
            self._end_session("what came over a connection was damaged")
        self._resources.listener.cut(sender)

    def _handle(self, received: Received) -> None:
        message, sender, session = received.message, received.sender, self._session
        authenticator = self._resources.authenticator
        is_served = self._is_served(sender)
        kind = type(message).__name__
        if isinstance(message, TensorData):
            if not is_served and not authenticator.may_send_tensors(received.key):
                raise WireError("a tensor from a board that sends nothing here")
            if session is not None:
                session.accept_tensor(sender, message, received.payload)
        elif not authenticator.may_command(received.key):
            raise WireError(f"{kind} from a board that gives no orders")
        elif isinstance(message, Hello):
            self._greet(sender, message)
        elif isinstance(message, StatusRequest):
            self._answer_status(sender, message)
        elif session is None or not is_served:
            raise WireError(f"{kind} from somebody not served")
        elif isinstance(message, Ping):
            self._admission.note_heard(time.monotonic())
            listener = self._resources.listener
            running_seconds = self._resources.threads.running_seconds
            pong = session_pong(listener, session.deployment, running_seconds)
            listener.send(sender, pong)
        elif isinstance(message, Bye):
            self._end_session("coordinator went")
        else:
            session.execute(message, received.payload)

    def _greet(self, sender: bytes, hello: Hello) -> None:
        refusal = self._admission.refusal(sender, hello)
        if refusal is not None:
            self._resources.totals.count_refusal("refused a coordinator", refusal.reason)
            self._resources.listener.send(sender, refusal)
            return
        if self._admission.admit(sender, hello, time.monotonic()):
            if self._session is not None:
                # What is held was to be answered over a connection that is no more.
                self._session.close()
            self._session = Session(sender, self._resources)
            log_event(logging.INFO, "coordinator came", session=hello.session[:_SESSION_SHOWN])
        info = self._resources.info
        welcome = Welcome(
            info.memory_limit_bytes,
            info.base_memory_bytes,
            info.cores,
            info.versions,
            info.core_speed,
            info.codecs,
        )
        self._resources.listener.send(sender, welcome)

    def _answer_status(self, sender: bytes, request: StatusRequest) -> None:
        same_protocol = request.protocol == PROTOCOL
        answer = self.status() if same_protocol else protocol_refusal()
        self._resources.listener.send(sender, answer)

    def _end_session(self, event: str) -> None:
        """Release all that is held for the coordinator, and serve nobody."""
        if self._session is not None:
            self._session.close()
        self._session = None
        self._resources.totals.add_session(self._resources.listener)
        seconds = time.monotonic() - self._admission.since
        self._admission.release()
        log_event(logging.INFO, event, seconds=round(seconds, 1))
