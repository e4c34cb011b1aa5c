"""A worker ends soon when it is told to, whatever it is doing, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import probe_recipe
import psutil
import pytest
import zmq
from manifests import chain_manifest
from processes import RunningWorker, Workers, output_of
from talking import Sockets, greet, hear

from edgeseg.boards.placement import Lane, Placement
from edgeseg.bundle.bundle_file import digest, pack
from edgeseg.bundle.manifest import Manifest, Port
from edgeseg_runtime.board.config import WorkerConfig
from edgeseg_runtime.messaging.assignments import assignment_for
from edgeseg_runtime.messaging.peer_socket import PeerSocket
from edgeseg_runtime.messaging.wire import PieceData, PieceRequest, Ping, Pong

pytestmark = pytest.mark.worker

_STOP_SECONDS = 2.0
_LONG = probe_recipe.probe_bytes(layers=64, channels=64, side=512)
"""1.2 TFLOP in one invocation: many seconds on any core."""


def _long_manifest() -> Manifest:
    """A manifest of that one piece."""
    manifest = chain_manifest([1])
    (piece,) = manifest.pieces
    long_piece = msgspec.structs.replace(
        piece,
        inputs=(Port(piece.inputs[0].tensor, (1, 512, 512, 64)),),
        outputs=(Port(piece.outputs[0].tensor, (1, 384, 384, 64)),),
        sha256=digest(_LONG),
        bytes=len(_LONG),
        compressed_bytes=len(pack(_LONG)),
        peak_memory_bytes=400 * 2**20,
        resident_memory_bytes=300 * 2**20,
    )
    return msgspec.structs.replace(manifest, pieces=(long_piece,))


def _give_long_work(worker: RunningWorker, link: PeerSocket) -> None:
    """Return in the middle of an inference: the first run, before a piece counts as ready."""
    manifest = _long_manifest()
    link.send(assignment_for("a", manifest, Placement((Lane({"piece_00": "a"}, 1),), {}), 1, {}))
    need = hear(link, PieceRequest)
    link.send(PieceData(1, need.sha256), pack(_LONG))
    process = psutil.Process(worker.process.pid)
    before, deadline = process.cpu_times().user, time.monotonic() + 60
    while process.cpu_times().user < before + 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _seconds_to_end(process: "subprocess.Popen[str]", number: int) -> float:
    start = time.monotonic()
    process.send_signal(number)
    ended = output_of(process)
    assert ended.code == 0, ended
    assert "Traceback" not in ended.err
    return time.monotonic() - start


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("served", [False, True])
def test_it_ends_soon_when_nothing_runs(
    workers: Workers, sockets: Sockets, number: int, served: bool
) -> None:
    worker = workers.start()
    if served:
        greet(sockets.link(worker.endpoint))
    assert _seconds_to_end(worker.process, number) < _STOP_SECONDS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_soon_in_the_middle_of_an_inference(
    workers: Workers,
    sockets: Sockets,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    worker = workers.start("--spool", tmp_path / "spool", limit="4GiB")
    link = sockets.link(worker.endpoint)
    greet(link)
    _give_long_work(worker, link)
    start = time.monotonic()
    link.send(Ping("test"))
    hear(link, Pong)
    assert time.monotonic() - start < 1  # the message loop goes on meanwhile
    assert _seconds_to_end(worker.process, number) < _STOP_SECONDS
    assert not list((tmp_path / "spool").iterdir())


def test_it_ends_soon_when_its_parent_goes() -> None:
    """As the workers that segment starts on this machine do."""
    config = msgspec.json.encode(WorkerConfig(listen="tcp://127.0.0.1:*")).decode()
    process = subprocess.Popen(
        [sys.executable, "-m", "edgeseg_runtime.local_workers", config],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on ")
        start = time.monotonic()
        process.stdin.close()
        assert process.wait(10) == 0
        assert time.monotonic() - start < _STOP_SECONDS


def test_a_worker_under_a_flood_of_messages_still_stops(workers: Workers, sockets: Sockets) -> None:
    """Nobody may keep it from hearing a signal, nor fill its log."""
    worker = workers.start()
    raw = sockets.raw(worker.endpoint)
    raw.setsockopt(zmq.LINGER, 0)
    for _ in range(100_000):
        raw.send_multipart([b"\0"])
    start = time.monotonic()
    worker.process.send_signal(signal.SIGTERM)
    ended = output_of(worker.process)
    assert (ended.code, time.monotonic() - start < _STOP_SECONDS) == (0, True)
    assert len(ended.err.splitlines()) < 20
