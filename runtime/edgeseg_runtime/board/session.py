"""A coordinator's session over one connection: its orders, its tensors, and the answers."""

import logging
import time
from typing import Any

from numpy.typing import NDArray

from edgeseg.errors import BoardError, WireError
from edgeseg_runtime.board.deployment import Deployment, DeploymentResources
from edgeseg_runtime.board.resources import WorkerResources
from edgeseg_runtime.board.signed_bundles import check_signed
from edgeseg_runtime.board.telemetry.logs import log_event
from edgeseg_runtime.messaging.endpoints import check_peers
from edgeseg_runtime.messaging.peer_socket import PeerSocket
from edgeseg_runtime.messaging.wire import (
    MAX_PROBE_BYTES,
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


class Session:
    """All that is held for one coordinator, over one connection to it; to be closed after use.

    Parameters
    ----------
    coordinator
        The connection over which it is answered.
    resources
        Those of the worker.
    """

    def __init__(self, coordinator: bytes, resources: WorkerResources) -> None:
        self._coordinator = coordinator
        self._resources = resources
        self._epoch = NO_EPOCH
        self.deployment: Deployment | None = None
        self.senders: set[bytes] = set()
        """Connections over which tensors of this epoch have come."""

    def payload_limit(self, message: AnyMessage) -> int:
        """Return how many bytes of payload a message may bring: none unless it is awaited."""
        if isinstance(message, Probe):
            return MAX_PROBE_BYTES if self.deployment is None else 0
        return 0 if self.deployment is None else self.deployment.payload_limit(message)

    def accept_tensor(self, sender: bytes, data: TensorData, payload: memoryview) -> None:
        """Take in a tensor of a slice, which came over that connection.

        Raises
        ------
        WireError
            If it is not what its reader expects; the coordinator is told that the slice failed.
        """
        if self.deployment is None:
            return
        try:
            if self.deployment.accept_tensor(data, payload):
                self.senders.add(sender)
        except WireError as error:
            # The slice can't go on; its coordinator must not wait for it.
            self._resources.listener.send(self._coordinator, Failed(data.job, str(error)))
            raise

    def execute(self, order: AnyMessage, payload: memoryview) -> None:
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
            self._answer_probe(order)
        elif isinstance(order, PieceData) and self.deployment is not None:
            self.deployment.accept_piece(order.sha256, payload)
        elif isinstance(order, TrialRequest) and self.deployment is not None:
            self.deployment.try_piece(order)
        else:
            raise WireError(f"{type(order).__name__} is nothing a worker is told")

    def close(self) -> None:
        """Release all that is held."""
        if self.deployment is not None:
            self._resources.totals.add_deployment(self.deployment)
            self.deployment.close()
        self.deployment = None
        self.senders.clear()
        self._resources.authenticator.tensor_senders = frozenset()

    def _assign(self, assignment: Assignment) -> None:
        self.close()
        self._epoch = assignment.epoch
        pieces, lanes = len(assignment.pieces), len(assignment.routes)
        log_event(logging.DEBUG, "assigned", epoch=assignment.epoch, pieces=pieces, lanes=lanes)
        authenticator = self._resources.authenticator
        try:
            if self._resources.signer is not None:
                check_signed(assignment, self._resources.signer)
            check_peers(assignment.peers, authenticator.keys)
            self.deployment = Deployment(assignment, self._deployment_resources())
        except BoardError as error:
            self._reply(Refused(assignment.epoch, str(error)))
        else:
            authenticator.tensor_senders = frozenset(assignment.admits)
            self.deployment.start()

    def _deployment_resources(self) -> DeploymentResources:
        resources = self._resources
        return DeploymentResources(
            ledger=resources.new_ledger(),
            process_bytes=resources.info.process_bytes,
            threads=resources.threads,
            connect=self._connect,
            reply=self._reply,
            spool_root=resources.spool_root,
        )

    def _connect(self, peer: Peer) -> PeerSocket:
        keys = self._resources.authenticator.keys
        return PeerSocket(self._resources.context, peer.endpoint, keys, peer.public_key)

    def _answer_probe(self, probe: Probe) -> None:
        """Send as many bytes as the probe asks for; beside pieces there may be no room for them."""
        if self.deployment is not None:
            raise WireError("a probe must come before the pieces")
        echo = Echo(time.process_time())
        self._resources.listener.send(self._coordinator, echo, filling(probe.answer_bytes))

    def _reply(self, message: AnyMessage, payload: NDArray[Any] | None = None) -> None:
        if isinstance(message, Refused):
            self._resources.totals.count_refusal("refused an assignment", message.reason)
        elif isinstance(message, Failed):
            log_event(logging.ERROR, "a slice failed", reason=message.reason)
        elif not isinstance(message, SliceResult):  # of which there is one a slice
            log_event(logging.DEBUG, f"told {type(message).__name__}")
        self._resources.listener.send(self._coordinator, message, payload)
