"""What a worker does for the coordinator that it serves: its orders, tensors and questions."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
from numpy.typing import NDArray

from edgeseg.errors import BoardError, WireError
from edgeseg_runtime.board.dataflow.outbox import DeploymentResources
from edgeseg_runtime.board.deployment import Deployment
from edgeseg_runtime.board.memory.ledger import Ledger
from edgeseg_runtime.board.telemetry.logs import say
from edgeseg_runtime.board.telemetry.telemetry import WorkerTotals
from edgeseg_runtime.board.threads import Threads
from edgeseg_runtime.messaging.endpoints import check_peers
from edgeseg_runtime.messaging.transport import Listener, PeerSocket
from edgeseg_runtime.messaging.wire import (
    NO_EPOCH,
    AnyMessage,
    Assignment,
    Echo,
    Failed,
    Peer,
    PieceData,
    Probe,
    Refused,
    SliceResult,
    TensorData,
    TrialRequest,
    filling,
)
from edgeseg_runtime.messaging.zap_auth import OpenAccess


@dataclass(frozen=True)
class WorkerResources:
    """What a worker has, whomever it serves.

    ``limit`` is what the process may take, ``base`` what it takes before any piece, in bytes.
    """

    limit: int
    base: int
    context: zmq.Context[zmq.Socket[bytes]]
    listener: Listener
    threads: Threads
    gate: OpenAccess
    spool_root: Path
    chronicle: WorkerTotals


class Session:
    """All that is held for one coordinator, over one connection to it; to be closed after use.

    Parameters
    ----------
    coordinator
        Who is answered through the listener.
    premises
        What there is to work with.
    """

    def __init__(self, coordinator: bytes, premises: WorkerResources) -> None:
        self._coordinator = coordinator
        self._premises = premises
        self._epoch = NO_EPOCH
        self.deployment: Deployment | None = None

    def accept_tensor(self, data: TensorData, payload: memoryview) -> None:
        """Take in a tensor of a slice.

        Raises
        ------
        WireError
            If it is not what its reader expects; the coordinator is told that the slice failed.
        """
        if self.deployment is None:
            return
        try:
            self.deployment.accept_tensor(data, payload)
        except WireError as error:
            # The slice can't go on; its coordinator must not wait for it.
            self._premises.listener.send(self._coordinator, Failed(data.job, str(error)))
            raise

    def follow(self, order: AnyMessage, payload: memoryview) -> None:
        """Do what the coordinator orders; orders of older epochs are dropped.

        Raises
        ------
        WireError
            If it is no order, or not the time for it.
        """
        if isinstance(order, Assignment | PieceData | TrialRequest) and order.epoch < self._epoch:
            return
        if isinstance(order, Assignment):
            self._assign(order)
        elif isinstance(order, Probe):
            self._echo(order)
        elif isinstance(order, PieceData) and self.deployment is not None:
            self.deployment.accept_piece(order.sha256, payload)
        elif isinstance(order, TrialRequest) and self.deployment is not None:
            self.deployment.try_piece(order)
        else:
            raise WireError(f"{type(order).__name__} is nothing a worker is told")

    def close(self) -> None:
        """Drop everything."""
        if self.deployment is not None:
            self._premises.chronicle.add_deployment(self.deployment)
            self.deployment.close()
        self.deployment = None
        self._premises.gate.admits = frozenset()

    def _assign(self, assignment: Assignment) -> None:
        self.close()
        self._epoch = assignment.epoch
        pieces, lanes = len(assignment.pieces), len(assignment.routes)
        say(logging.DEBUG, "assigned", epoch=assignment.epoch, pieces=pieces, lanes=lanes)
        here = self._premises
        means = DeploymentResources(here.threads, self._connect, self._reply, here.spool_root)
        try:
            check_peers(assignment.peers, here.gate.keys)
            self.deployment = Deployment(assignment, Ledger(here.limit, here.base), means)
        except BoardError as error:
            self._reply(Refused(assignment.epoch, str(error)))
        else:
            here.gate.admits = frozenset(assignment.admits)
            self.deployment.prepare()

    def _connect(self, peer: Peer) -> PeerSocket:
        here = self._premises
        return PeerSocket(here.context, peer.endpoint, here.gate.keys, peer.public_key)

    def _echo(self, probe: Probe) -> None:
        """Answer a probe; while pieces are here there may be no room for that."""
        if self.deployment is not None:
            raise WireError("a probe must come before the pieces")
        echo = Echo(time.process_time())
        self._premises.listener.send(self._coordinator, echo, filling(probe.answer_bytes))

    def _reply(self, message: AnyMessage, payload: NDArray[Any] | None = None) -> None:
        if isinstance(message, Refused):
            self._premises.chronicle.refuse("refused an assignment", message.reason)
        elif isinstance(message, Failed):
            say(logging.ERROR, "a slice failed", reason=message.reason)
        elif not isinstance(message, SliceResult):  # of which there is one a slice
            say(logging.DEBUG, f"told {type(message).__name__}")
        self._premises.listener.send(self._coordinator, message, payload)
