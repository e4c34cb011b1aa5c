"""Messages and arrays pass over loopback sockets; endpoints are checked before they are used."""

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from talking import Sockets, hear

from edgeseg.errors import BoardError, UsageError, WireError
from edgeseg.slices import SliceGeometry
from edgeseg_runtime.transport import Listener, Received, is_local, normalize_endpoint
from edgeseg_runtime.wire import Bye, Hello, Job, TensorData, tensor_array

_ANY_PORT = "tcp://127.0.0.1:*"


def _next(listener: Listener) -> Received:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        listener.socket.poll(100)
        received = listener.receive()
        if received is not None:
            return received
    raise AssertionError("nothing came in")


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("10.0.0.2:7355", "tcp://10.0.0.2:7355"),
        ("tcp://pi.local:7355", "tcp://pi.local:7355"),
        ("tcp://*:7355", "tcp://*:7355"),
        (_ANY_PORT, _ANY_PORT),
        ("ipc:///tmp/worker", "ipc:///tmp/worker"),
    ],
)
def test_endpoints_are_completed(text: str, endpoint: str) -> None:
    assert normalize_endpoint(text) == endpoint


@pytest.mark.parametrize(
    "text",
    ["", "pi", "pi:", ":7355", "pi:port", "pi:70000", "pi:²", "http://pi:80", "ipc://", "tcp://:1"],
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write it like tcp://"):
        normalize_endpoint(text)


@given(st.text(max_size=30) | st.from_regex(r"(tcp://)?[\[\]:a-z0-9.]*:[0-9]{1,6}", fullmatch=True))
def test_any_text_is_an_endpoint_or_wrong_usage(text: str) -> None:
    try:
        endpoint = normalize_endpoint(text)
    except UsageError:
        return
    assert normalize_endpoint(endpoint) == endpoint
    assert is_local(endpoint) in (True, False)


@pytest.mark.parametrize(
    ("endpoint", "local"),
    [
        ("tcp://127.0.0.1:1", True),
        ("tcp://127.0.0.20:1", True),
        ("tcp://localhost:1", True),
        ("tcp://[::1]:1", True),
        ("ipc:///tmp/worker", True),
        ("tcp://0.0.0.0:1", False),
        ("tcp://*:1", False),
        ("tcp://127.0.0.1.example.org:1", False),
        ("tcp://192.168.1.20:1", False),
    ],
)
def test_only_loopback_is_local(endpoint: str, local: bool) -> None:
    assert is_local(endpoint) is local


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
