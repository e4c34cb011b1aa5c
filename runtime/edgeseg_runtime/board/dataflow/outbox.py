"""Sends the tensors that a board makes: to the boards that read them, and to the coordinator."""

from collections.abc import Callable
from typing import Any, TypeAlias, cast

from numpy.typing import NDArray

from edgeseg_runtime.board.dataflow.decoder import Decoder
from edgeseg_runtime.board.dataflow.executor import Tensors
from edgeseg_runtime.board.memory.held import Encoded, Spooled
from edgeseg_runtime.messaging.peer_socket import PeerSocket
from edgeseg_runtime.messaging.wire import (
    AnyMessage,
    Assignment,
    Dtype,
    Failed,
    Job,
    Peer,
    SliceResult,
    TensorData,
)

Reply: TypeAlias = Callable[[AnyMessage, NDArray[Any] | None], None]
"""Sends the coordinator a message and an array."""

Connect: TypeAlias = Callable[[Peer], PeerSocket]
"""Opens a connection to another board."""


class Outbox:
    """Sends what the steps of one deployment make.

    Parameters
    ----------
    assignment
        Says which boards read which tensor.
    decoder
        Says in which form the model's output is sent.
    reply, connect
        Ways to the coordinator and to other boards.
    """

    def __init__(
        self, assignment: Assignment, decoder: Decoder, reply: Reply, connect: Connect
    ) -> None:
        self._assignment = assignment
        self._decoder = decoder
        self._reply = reply
        self._connect = connect
        self._destinations = {routes.lane: routes.destinations for routes in assignment.routes}
        self._sockets: dict[str, PeerSocket] = {}

    @property
    def sent_bytes(self) -> int:
        """Bytes sent to other boards."""
        return sum(socket.sent_bytes for socket in self._sockets.values())

    def send(self, job: Job, outputs: Tensors) -> None:
        """Send the tensors of a slice to everybody who reads them; spooled ones stay here."""
        for tensor, array in outputs.items():
            if isinstance(array, Spooled):
                continue
            if tensor == self._assignment.output.tensor and not isinstance(array, Encoded):
                form = self._decoder.sent_as(job.geometry)
                self._reply(SliceResult(job, form, array.shape), array)
                continue
            header, payload = _message(job, tensor, array)
            for board in self._destinations[job.lane].get(tensor, ()):
                self._socket(board).send(header, payload)

    def report_failure(self, job: Job, reason: str) -> None:
        """Tell the coordinator that a slice could not be computed."""
        self._reply(Failed(job, reason), None)

    def close(self) -> None:
        """Close all connections to other boards."""
        for socket in self._sockets.values():
            socket.close()

    def _socket(self, board: str) -> PeerSocket:
        """Connect when the first tensor is sent: once all are ready, that board admits this one."""
        if board not in self._sockets:
            self._sockets[board] = self._connect(self._assignment.peers[board])
        return self._sockets[board]


def _message(
    job: Job, tensor: str, held: NDArray[Any] | Encoded
) -> tuple[TensorData, NDArray[Any] | memoryview]:
    """Return header and payload of a tensor, encoded or as it is."""
    if isinstance(held, Encoded):
        dtype = cast(Dtype, held.dtype)
        return TensorData(job, tensor, dtype, held.shape, codec=held.codec), held.payload
    return TensorData(job, tensor, cast(Dtype, held.dtype.name), held.shape), held
