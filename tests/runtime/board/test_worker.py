"""A worker process: what it refuses, what cannot harm it, and how it ends."""

import random
import socket
import time
from urllib.parse import urlsplit

import msgspec
import psutil
import pytest
from manifests import chain_manifest
from processes import RunningWorker, Workers, edgeseg, one_line
from talking import Sockets, frames_of, greet, hear, refusal

from edgeseg.boards.placement import Lane, Placement
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.messaging.assignments import assignment_for
from edgeseg_runtime.messaging.connection_guard import CONNECTIONS_BYTES
from edgeseg_runtime.messaging.wire import (
    MAX_PROBE_BYTES,
    PROTOCOL,
    Assignment,
    Bye,
    Echo,
    Failed,
    Hello,
    Job,
    Peer,
    PieceData,
    PieceRequest,
    Ping,
    Pong,
    Probe,
    Refused,
    TensorData,
    TrialRequest,
)

pytestmark = pytest.mark.worker

_MIB = 2**20


@pytest.fixture
def worker(workers: Workers) -> RunningWorker:
    return workers.start(limit="200MiB")


def _assignment(peak: int = _MIB) -> Assignment:
    manifest = chain_manifest([1], [peak])
    placement = Placement((Lane({"piece_00": "a"}, 2),), {})
    return assignment_for("a", manifest, placement, 1, {})


@pytest.mark.parametrize("endpoint", ["tcp://*:*", "tcp://0.0.0.0:*", "192.168.1.20:7355"])
def test_listening_beyond_this_machine_must_be_asked_for(endpoint: str) -> None:
    one_line(edgeseg("worker", "--listen", endpoint), 2, "add --insecure on a network you trust")


def test_what_was_asked_for_is_done(workers: Workers) -> None:
    assert workers.start("--insecure", "--listen", "tcp://0.0.0.0:*").endpoint.startswith(
        "tcp://0.0.0.0:"
    )


def test_a_limit_below_the_process_itself_is_refused() -> None:
    process = edgeseg("worker", "--listen", "tcp://127.0.0.1:*", "--memory-limit", "10MiB")
    one_line(process, 1, "10.0 MiB is less than the", "raise --memory-limit")


def test_a_port_that_is_taken_is_said(worker: RunningWorker) -> None:
    process = edgeseg("worker", "--listen", worker.endpoint)
    one_line(process, 1, "already in use", "choose another address or port")


def test_an_endpoint_that_is_none_is_wrong_usage() -> None:
    one_line(edgeseg("worker", "--listen", "http://pi"), 2, "is no endpoint")


def test_it_is_ready_soon_and_small(workers: Workers) -> None:
    start = time.monotonic()
    worker = workers.start()
    assert time.monotonic() - start < 5
    assert psutil.Process(worker.process.pid).memory_info().rss < 90 * _MIB


def test_it_says_what_it_has(worker: RunningWorker, sockets: Sockets) -> None:
    link = sockets.link(worker.endpoint)
    welcome = greet(link)
    assert welcome.memory_limit_bytes == 200 * _MIB
    assert 20 * _MIB < welcome.base_memory_bytes < 90 * _MIB
    assert welcome.cores == 1
    assert set(welcome.versions) == {"edgeseg", "engine"}
    link.send(Ping("test"))
    pong = hear(link, Pong)
    process_bytes = welcome.base_memory_bytes - CONNECTIONS_BYTES
    assert process_bytes <= pong.peak_memory_bytes < 200 * _MIB
    assert pong.received_bytes > 0


def test_a_probe_is_answered_with_as_many_bytes(worker: RunningWorker, sockets: Sockets) -> None:
    link = sockets.link(worker.endpoint)
    greet(link)
    link.received_bytes = 0
    link.send(Probe(2**20), bytes(2**20))
    hear(link, Echo)
    assert 2**20 < link.received_bytes < 2**20 + 200


def test_a_second_coordinator_waits_for_the_first(worker: RunningWorker, sockets: Sockets) -> None:
    first, second = sockets.link(worker.endpoint), sockets.link(worker.endpoint)
    greet(first, "first")
    assert "serves another coordinator" in refusal(second, Hello("second", PROTOCOL))
    first.send(Ping("first"))
    hear(first, Pong)
    first.send(Bye("first"))
    # Bye travels on another connection than the next greeting.
    time.sleep(0.3)
    greet(second, "second")


def test_a_worker_counts_once_among_the_boards(worker: RunningWorker, sockets: Sockets) -> None:
    first, second = sockets.link(worker.endpoint), sockets.link(worker.endpoint)
    greet(first, "same")
    assert "give each board once" in refusal(second, Hello("same", PROTOCOL))


def test_another_protocol_is_refused(worker: RunningWorker, sockets: Sockets) -> None:
    link = sockets.link(worker.endpoint)
    assert "install the same edgeseg" in refusal(link, Hello("test", PROTOCOL + 1))


def test_a_piece_too_large_is_refused_with_numbers(worker: RunningWorker, sockets: Sockets) -> None:
    link = sockets.link(worker.endpoint)
    greet(link)
    reason = refusal(link, _assignment(peak=1000 * _MIB))
    assert "1000 MiB" in reason
    assert "of 200 MiB are free" in reason
    greet(link)


def test_an_assignment_that_makes_no_sense_is_refused(
    worker: RunningWorker, sockets: Sockets
) -> None:
    link = sockets.link(worker.endpoint)
    greet(link)
    good = _assignment()
    for spoil in (
        {"pieces": good.pieces * 2},
        {"sources": ()},
        {"pieces": ()},
        {"peers": {"b": Peer("nonsense://")}},
        {"peers": {"b": Peer("tcp://127.0.0.1:*")}},
    ):
        assert refusal(link, msgspec.structs.replace(good, **spoil))
    link.send(good)
    assert hear(link, PieceRequest).sha256 == good.pieces[0].sha256


def test_a_piece_that_is_not_what_was_promised_is_refused(
    worker: RunningWorker, sockets: Sockets
) -> None:
    link = sockets.link(worker.endpoint)
    greet(link)
    link.send(_assignment())
    need = hear(link, PieceRequest)
    link.send(PieceData(1, need.sha256), b"no zstd")
    assert "piece_00 can't be decompressed" in hear(link, Refused).reason


def test_garbage_does_not_harm_it(worker: RunningWorker, sockets: Sockets) -> None:
    """Random frames, messages out of place, and bytes that are no ZeroMQ at all."""
    link, raw = sockets.link(worker.endpoint), sockets.raw(worker.endpoint)
    greet(link)
    link.send(_assignment())
    hear(link, PieceRequest)
    chance = random.Random(5)
    for _ in range(200):
        raw.send_multipart([chance.randbytes(chance.randint(0, 40)) for _ in range(3)])
    for payload, tensor, shape in _bad_tensors():
        job = Job(1, 0, chance.randint(-3, 3), SliceGeometry(8, 8))
        raw.send_multipart(frames_of(TensorData(job, tensor, "uint8", shape), payload))
    for message in (_assignment(), Bye("x"), Ping("x"), PieceData(1, "0" * 64), Pong(1, 1, 1, {})):
        raw.send_multipart(frames_of(message))
        link.send(PieceData(1, "f" * 64), b"not asked for")
        link.send(Probe(MAX_PROBE_BYTES))
        link.send(TrialRequest(1, chance.choice(["piece_00", "piece_99"])))
    where = urlsplit(worker.endpoint)
    with socket.create_connection((where.hostname, where.port)) as plain:
        plain.sendall(chance.randbytes(4096))
    link.send(Ping("test"))
    hear(link, Pong)
    assert worker.process.poll() is None


def test_a_tensor_that_is_refused_fails_its_slice(worker: RunningWorker, sockets: Sockets) -> None:
    """Whoever waits for the slice is told, wherever the tensor came from."""
    link, peer = sockets.link(worker.endpoint), sockets.link(worker.endpoint)
    greet(link)
    link.send(_assignment())
    hear(link, PieceRequest)
    job = Job(1, 7, 0, SliceGeometry(8, 8))
    peer.send(TensorData(job, "image", "uint8", (3, 3)), bytes(9))
    failed = hear(link, Failed)
    assert failed.job == job
    assert "of shape (8, 8) is read" in failed.reason


def _bad_tensors() -> list[tuple[bytes, str, tuple[int, ...]]]:
    return [
        (b"", "image", (8, 8)),
        (bytes(64), "image", (8, 8, 1)),
        (bytes(64), "image", (64,)),
        (bytes(64), "elsewhere", (8, 8)),
        (bytes(1), "image", (1,) * 200),
        (bytes(1), "image", (-1, -1)),
        (bytes(4), "t0", (2**40, 2**40)),
    ]
