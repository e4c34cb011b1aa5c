"""Strangers who send without end: a worker keeps its memory, and its coordinator's answers come."""

import socket
import struct
import time
from urllib.parse import urlsplit

import pytest
import zmq
from manifests import chain_manifest
from processes import RunningWorker, Workers
from strangers import greeting
from talking import Sockets, frames_of, greet, hear

from edgeseg.boards.placement import Lane, Placement
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.messaging.assignments import assignment_for
from edgeseg_runtime.messaging.peer_socket import PeerSocket
from edgeseg_runtime.messaging.wire import (
    PROTOCOL,
    Failed,
    Hello,
    Job,
    PieceRequest,
    Ping,
    Pong,
    TensorData,
)

_MIB = 2**20
_BAD_IMAGE = TensorData(Job(1, 7, 0, SliceGeometry(8, 8)), "image", "uint8", (3, 3))


@pytest.fixture
def worker(workers: Workers) -> RunningWorker:
    return workers.start("--quiet", limit="200MiB")


@pytest.fixture
def coordinator(worker: RunningWorker, sockets: Sockets) -> PeerSocket:
    link = sockets.link(worker.endpoint)
    greet(link)
    placement = Placement((Lane({"piece_00": "a"}, 2),), {})
    link.send(assignment_for("a", chain_manifest([1], [_MIB]), placement, 1, {}))
    hear(link, PieceRequest)
    return link


def _answered(coordinator: PeerSocket) -> float:
    start = time.monotonic()
    coordinator.send(Ping("test"))
    hear(coordinator, Pong)
    return time.monotonic() - start


def _until_all_is_handled(raw: "zmq.Socket[bytes]", coordinator: PeerSocket) -> None:
    """What comes last from a sender is a slice that fails, and its coordinator hears of that.

    A connection that is cut off takes what it had already in hand along, so the slice is sent anew.
    """
    for _ in range(5):
        raw.send_multipart(frames_of(_BAD_IMAGE, bytes(9)))
        if _hears_of_a_failure(coordinator, 30):
            return
    raise AssertionError


def _hears_of_a_failure(coordinator: PeerSocket, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        coordinator.send(Ping("test"))
        coordinator.socket.poll(500)
        while (answer := coordinator.receive()) is not None:
            if isinstance(answer[0], Failed):
                return True
    return False


def test_answers_that_nobody_reads_are_dropped(
    worker: RunningWorker, coordinator: PeerSocket, sockets: Sockets
) -> None:
    before = worker.peak_bytes
    raw = sockets.raw(worker.endpoint)
    for number in range(20_000):
        raw.send_multipart(frames_of(Hello("another", PROTOCOL)))
        if number % 10_000 == 0:
            assert _answered(coordinator) < 5
    _until_all_is_handled(raw, coordinator)
    assert worker.peak_bytes - before < 4 * _MIB


def test_large_messages_leave_nothing_behind(
    worker: RunningWorker, coordinator: PeerSocket, sockets: Sockets
) -> None:
    before = worker.peak_bytes
    raw = sockets.raw(worker.endpoint)
    for _ in range(200):
        raw.send(bytes(2 * _MIB), copy=False)
    _until_all_is_handled(raw, coordinator)
    assert worker.peak_bytes - before < 60 * _MIB


def test_a_frame_beyond_the_memory_is_cut_off_when_announced(
    worker: RunningWorker, coordinator: PeerSocket
) -> None:
    where, before = urlsplit(worker.endpoint), worker.peak_bytes
    with socket.create_connection((where.hostname, where.port)) as plain:
        plain.settimeout(10)
        plain.sendall(greeting(keyed=False))
        plain.sendall(b"\x02" + struct.pack(">Q", 201 * _MIB))
        while plain.recv(4096):
            pass
    assert worker.peak_bytes - before < 8 * _MIB
    assert _answered(coordinator) < 5
