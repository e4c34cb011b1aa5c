"""Messages and arrays pass over loopback sockets, within bounds that hold for strangers too."""

import socket
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import zmq
from processes import Workers
from talking import Sockets, frames_of, greet, hear

from edgeseg.errors import BoardError, WireError
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.messaging.listener import Listener, Received
from edgeseg_runtime.messaging.transport import UNREAD_PARTS
from edgeseg_runtime.messaging.wire import (
    PROTOCOL,
    Bye,
    Hello,
    Job,
    TensorData,
    Welcome,
    tensor_array,
)
from edgeseg_runtime.messaging.wire.parts import PART_BYTES

_ANY_PORT = "tcp://127.0.0.1:*"


def _next(listener: Listener) -> Received:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        listener.socket.poll(100)
        received = listener.receive()
        if received is not None:
            return received
    raise AssertionError("nothing came in")


@pytest.mark.parametrize("kind", ["tcp", "ipc"])
def test_a_tensor_passes_and_an_answer_comes_back(
    sockets: Sockets, tmp_path: Path, kind: str
) -> None:
    listener = sockets.listener(_ANY_PORT if kind == "tcp" else f"ipc://{tmp_path}/socket")
    link = sockets.link(listener.endpoint)
    array = np.random.default_rng(0).random((1, 64, 64, 8), np.float32)
    header = TensorData(Job(1, 2, 0, SliceGeometry(64, 64)), "t", "float32", array.shape)
    link.send(header, array)
    received = _next(listener)
    assert received.message == header
    payload = tensor_array("float32", array.shape, received.payload)
    np.testing.assert_array_equal(payload, array)
    listener.send(received.sender, Bye("session"), b"more")
    assert hear(link, Bye) == Bye("session")
    assert listener.received_bytes > link.sent_bytes > array.nbytes
    assert link.received_bytes > 4


def test_a_message_without_payload_has_an_empty_one(sockets: Sockets) -> None:
    listener = sockets.listener()
    sockets.link(listener.endpoint).send(Hello("session", 1))
    assert len(_next(listener).payload) == 0
    assert listener.receive() is None


@pytest.mark.parametrize("frames", [[b""], [b"garbage"], [b"\xc1" * 9, b"x"], [b"a"] * 20])
def test_frames_that_are_no_message_are_refused_one_by_one(
    sockets: Sockets, frames: list[bytes]
) -> None:
    listener = sockets.listener()
    sockets.raw(listener.endpoint).send_multipart(frames)
    with pytest.raises(WireError):
        _next(listener)
    sockets.link(listener.endpoint).send(Bye("after"))
    assert _next(listener).message == Bye("after")


def test_messages_that_nobody_reads_wait_at_their_sender(sockets: Sockets) -> None:
    raw = sockets.raw(sockets.listener().endpoint, most_waiting=1)
    raw.setsockopt(zmq.SNDTIMEO, 500)
    sent = 0
    with suppress(zmq.Again):
        while sent < 200:
            raw.send(bytes(PART_BYTES))
            sent += 1
    assert UNREAD_PARTS <= sent < 60


def test_answers_that_nobody_reads_are_dropped_in_the_end(sockets: Sockets) -> None:
    listener, array, count = sockets.listener(), np.zeros(2**14, np.uint8), 6000
    raw = sockets.raw(listener.endpoint)
    raw.send_multipart(frames_of(Bye("x")))
    sender = _next(listener).sender
    for _ in range(count):
        listener.send(sender, Bye("y"), array)
    received = 0
    while raw.poll(300):
        raw.recv_multipart()
        received += 1
    assert 1000 < received < count


def test_counts_begin_anew(sockets: Sockets) -> None:
    listener = sockets.listener()
    sockets.link(listener.endpoint).send(Bye("x"))
    _next(listener)
    listener.reset_counts()
    assert (listener.sent_bytes, listener.received_bytes) == (0, 0)


def test_a_port_that_is_taken_is_said(sockets: Sockets) -> None:
    taken = sockets.listener().endpoint
    with pytest.raises(BoardError, match=r"already in use.*choose another"):
        sockets.listener(taken)


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "tcp://a b:1", "ipc://" + "x" * 500])
def test_an_address_that_none_can_have_is_said(sockets: Sockets, endpoint: str) -> None:
    with pytest.raises(BoardError, match="can't connect to"):
        sockets.link(endpoint)


def test_what_is_sent_to_somebody_who_has_gone_is_dropped(sockets: Sockets) -> None:
    listener = sockets.listener()
    link = sockets.link(listener.endpoint)
    link.send(Bye("x"))
    sender = _next(listener).sender
    link.close()
    time.sleep(0.3)
    listener.send(sender, Bye("y"), np.zeros(10**6, np.uint8))
    listener.send(b"nobody", Bye("y"))


def test_a_watched_link_notices_at_once_that_its_connection_is_lost(workers: Workers) -> None:
    worker = workers.start()
    with Sockets() as sockets:
        link = sockets.link(worker.endpoint, watched=True)
        greet(link)
        assert not link.broken
        worker.process.kill()
        assert link.monitor is not None
        assert link.monitor.poll(5000)
        assert link.broken
        workers.start("--listen", worker.endpoint)
        link.send(Hello("session", PROTOCOL))
        hear(link, Welcome)
        assert not link.broken


def test_what_an_abandoned_link_was_to_send_is_forgotten(sockets: Sockets) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    link = sockets.link(endpoint, watched=True)
    link.send(Bye("late"))
    link.abandon()
    time.sleep(1)  # a thread of ZeroMQ's own closes it
    again = sockets.listener(endpoint)
    assert not again.socket.poll(500)
