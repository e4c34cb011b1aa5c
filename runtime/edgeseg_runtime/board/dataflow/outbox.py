"""Where the tensors go that a board makes: to boards that read them, and to the coordinator."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

from numpy.typing import NDArray

from edgeseg_runtime.board.dataflow.decoder import Decoder
from edgeseg_runtime.board.dataflow.executor import Tensors
from edgeseg_runtime.board.memory.spool import Spooled
from edgeseg_runtime.board.threads import Threads
from edgeseg_runtime.messaging.transport import PeerSocket
from edgeseg_runtime.messaging.wire import (
    AnyMessage,
    Assignment,
    Dtype,
    Job,
    Peer,
    SliceResult,
    TensorData,
)

Reply: TypeAlias = Callable[[AnyMessage, NDArray[Any] | None], None]
Connect: TypeAlias = Callable[[Peer], PeerSocket]


@dataclass(frozen=True)
class DeploymentResources:
    """What a deployment works with.

    Parameters
    ----------
    threads
        For all that takes longer than a moment.
    connect
        Opens a link to another board.
    reply
        Sends the coordinator a message and an array.
    spool_root
        Folder for tensors that wait for pieces which are not loaded.
    """

    threads: Threads
    connect: Connect
    reply: Reply
    spool_root: Path


class Outbox:
    """Sends what is made in one deployment.

    Parameters
    ----------
    assignment
        Says which boards want which tensor.
    decoder
        Says what the output travels as.
    means
        Those of the deployment.
    """

    def __init__(
        self, assignment: Assignment, decoder: Decoder, means: DeploymentResources
    ) -> None:
        self._assignment = assignment
        self._decoder = decoder
        self._means = means
        self._destinations = {routes.lane: routes.destinations for routes in assignment.routes}
        self._links: dict[str, PeerSocket] = {}

    @property
    def sent_bytes(self) -> int:
        """Bytes sent to other boards."""
        return sum(link.sent_bytes for link in self._links.values())

    def send(self, job: Job, made: Tensors) -> None:
        """Send the tensors of a slice that are wanted elsewhere."""
        for tensor, array in made.items():
            if isinstance(array, Spooled):
                continue
            if tensor == self._assignment.output.tensor:
                kind = self._decoder.travels_as(job.geometry)
                self._means.reply(SliceResult(job, kind, array.shape), array)
                continue
            for board in self._destinations[job.lane].get(tensor, ()):
                header = TensorData(job, tensor, cast(Dtype, array.dtype.name), array.shape)
                self._link(board).send(header, array)

    def close(self) -> None:
        """Close all links."""
        for link in self._links.values():
            link.close()

    def _link(self, board: str) -> PeerSocket:
        """Connect when the first tensor goes there: once all are ready, that board admits it."""
        if board not in self._links:
            self._links[board] = self._means.connect(self._assignment.peers[board])
        return self._links[board]
