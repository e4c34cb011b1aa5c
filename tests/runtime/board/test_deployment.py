"""One assignment on a real worker: what is measured, what is bounded, what is dropped."""

import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from processes import Workers
from serving import Served
from talking import Sockets, greet, hear

from edgeseg.boards.placement import Lane, Placement
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.manifest import Manifest, Port
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.messaging.assignments import assignment_for
from edgeseg_runtime.messaging.wire import (
    Assignment,
    Failed,
    Job,
    Peer,
    Ping,
    Pong,
    Ready,
    Refused,
    SliceResult,
    TensorData,
)

_GEOMETRY = SliceGeometry(64, 64)
_PEERS = {name: Peer("tcp://127.0.0.1:9") for name in "ab"}


class _Served(Served):
    """A worker that takes its orders, and tensors, from this test."""

    @property
    def manifest(self) -> Manifest:
        return self.bundle.manifest

    def load(self, assignment: Assignment) -> None:
        """Give an assignment that the worker can carry out."""
        outcome = self.assign(assignment)
        assert isinstance(outcome, Ready), outcome

    def send(self, index: int, port: Port, epoch: int = 1, lane: int = 0) -> None:
        job = Job(epoch, index, lane, _GEOMETRY)
        if port.tensor == self.manifest.input.tensor:
            grey = np.full((64, 64), index, np.uint8)
            self.link.send(TensorData(job, port.tensor, "uint8", grey.shape), grey)
        else:
            array = np.zeros(port.shape, np.float32)
            self.link.send(TensorData(job, port.tensor, "float32", array.shape), array)

    def waiting_messages(self) -> list[Any]:
        """Return all messages that the worker has sent by now, its answer to a ping aside."""
        self.link.send(Ping("test"))
        messages: list[Any] = []
        while True:
            message: Any = hear(self.link, object)
            if isinstance(message, Pong):
                return messages
            messages.append(message)


@pytest.fixture
def served(workers: Workers, sockets: Sockets, tiny_bundle: Path) -> _Served:
    link = sockets.link(workers.start().endpoint)
    greet(link)
    return _Served(link, Bundle(tiny_bundle))


def _assignment(manifest: Manifest, first: int = 0, window: int = 2) -> Assignment:
    """Let board a run the pieces from one on, board b those before."""
    boards = {p.name: "ba"[n >= first] for n, p in enumerate(manifest.pieces)}
    return assignment_for("a", manifest, Placement((Lane(boards, window),), {}), 1, _PEERS)


def test_a_slice_that_is_done_is_not_done_again(served: _Served) -> None:
    """A replay is dropped: it makes no outcome, fails nothing, and takes no place."""
    image = served.manifest.input
    served.load(_assignment(served.manifest))
    for index in (0, 1):
        served.send(index, image)
        assert hear(served.link, SliceResult).job.slice == index
    for _ in range(5):
        served.send(0, image)
    served.send(2, image, epoch=0)
    served.send(2, image)
    assert hear(served.link, SliceResult).job.slice == 2
    assert served.waiting_messages() == []


def test_more_slices_than_the_window_are_refused(served: _Served) -> None:
    """Tensors of slices that never come to an end, as a hostile board might send them."""
    piece = served.manifest.pieces[2]
    skip = piece.inputs[0]
    assert len(piece.inputs) > 1
    served.load(_assignment(served.manifest, first=2))
    for index in range(6):
        served.send(index, skip)
    failed = [hear(served.link, Failed) for _ in range(4)]
    assert [failure.job.slice for failure in failed] == [2, 3, 4, 5]
    assert all("2 slices in flight, all it may have" in failure.reason for failure in failed)
    served.send(0, skip)
    assert "is here already" in hear(served.link, Failed).reason


def test_a_tensor_of_another_type_or_shape_is_refused(served: _Served) -> None:
    skip = served.manifest.pieces[2].inputs[0]
    served.load(_assignment(served.manifest, first=2))
    for spoil in ({"dtype": "int8"}, {"shape": (*skip.shape[:3], skip.shape[3] + 1)}):
        header = msgspec.structs.replace(
            TensorData(Job(1, 0, 0, _GEOMETRY), skip.tensor, "float32", skip.shape), **spoil
        )
        served.link.send(header, np.zeros(header.shape, header.dtype))
        assert "is read" in hear(served.link, Failed).reason


def test_pieces_that_take_more_than_they_said_are_refused_before_any_slice(
    workers: Workers, sockets: Sockets, tiny_bundle: Path, base_memory: int
) -> None:
    """A manifest that says next to nothing of memory gets past the entries, not past the load."""
    link = sockets.link(workers.start(limit=base_memory + 3 * 2**20).endpoint)
    greet(link)
    bundle = Bundle(tiny_bundle)
    understated = {"peak_memory_bytes": 1, "resident_memory_bytes": 1}
    pieces = tuple(msgspec.structs.replace(p, **understated) for p in bundle.manifest.pieces)
    assignment = _assignment(msgspec.structs.replace(bundle.manifest, pieces=pieces), window=1)
    outcome = Served(link, bundle).assign(assignment)
    assert isinstance(outcome, Refused), outcome
    assert re.search(r"takes beyond its manifest needs .* MiB are free", outcome.reason)


def test_a_new_assignment_takes_the_place_of_one_that_runs(served: _Served) -> None:
    """What the old one holds is let go of first: never are both in memory."""
    image = served.manifest.input
    assignment = _assignment(served.manifest, window=30)
    served.load(assignment)
    for index in range(30):
        served.send(index, image)
    served.load(msgspec.structs.replace(assignment, epoch=2))
    served.send(0, image, epoch=2)
    while (outcome := hear(served.link, SliceResult)).job.epoch == 1:
        pass
    assert outcome.job == Job(2, 0, 0, _GEOMETRY)
    assert served.waiting_messages() == []
