"""A worker and pieces that it should not take: it refuses them, and goes on serving."""

from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from made_bundles import made_bundle
from made_pieces import crashing_piece, endless_piece, hungry_piece, sound_piece
from processes import Workers
from serving import Served, whole
from talking import Sockets, greet, hear

from edgeseg.bundle.bundle_file import Bundle
from edgeseg_runtime.messaging.wire import Bye, PieceData, PieceRequest, Ping, Pong, Ready, Refused

_MIB = 2**20


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _served(workers: Workers, sockets: Sockets, bundle: Bundle, limit: str = "200MiB") -> Served:
    link = sockets.link(workers.start(limit=limit).endpoint)
    greet(link)
    return Served(link, bundle)


def _refusal(outcome: Ready | Refused) -> Refused:
    assert isinstance(outcome, Refused)
    return outcome


def test_a_piece_that_crashes_is_named_and_the_worker_goes_on(
    workers: Workers, sockets: Sockets, tmp_path: Path
) -> None:
    bad = made_bundle(tmp_path / "bad.edgeseg", [sound_piece(), crashing_piece()])
    served = _served(workers, sockets, bad)
    refused = _refusal(served.assign(whole(bad)))
    assert refused.crashing_piece == "piece_01"
    assert refused.reason == "piece piece_01 ends its process with signal 11"
    good = made_bundle(tmp_path / "good.edgeseg", [sound_piece(), sound_piece(1)])
    outcome = Served(served.link, good).assign(whole(good, epoch=2))
    assert isinstance(outcome, Ready), outcome


def test_pings_are_answered_while_a_piece_is_tried_and_its_session_may_end(
    workers: Workers, sockets: Sockets, tmp_path: Path
) -> None:
    bundle = made_bundle(tmp_path / "endless.edgeseg", [endless_piece()])
    worker = workers.start(limit="200MiB")
    link = sockets.link(worker.endpoint)
    greet(link)
    link.send(whole(bundle))
    (piece,) = bundle.manifest.pieces
    hear(link, PieceRequest)
    link.send(PieceData(1, piece.sha256), bundle.packed_piece(piece))
    process = psutil.Process(worker.process.pid)
    while not process.children():
        link.send(Ping("test"))
        hear(link, Pong)
    for _ in range(5):
        link.send(Ping("test"))
        hear(link, Pong, seconds=1.0)
    link.send(Bye("test"))
    psutil.wait_procs(process.children(), timeout=5)
    assert not process.children()
    greet(link, "another")
    sound = made_bundle(tmp_path / "sound.edgeseg", [sound_piece()])
    outcome = Served(link, sound).assign(whole(sound))
    assert isinstance(outcome, Ready), outcome


def test_a_piece_that_takes_more_than_its_manifest_says_never_reaches_the_worker(
    workers: Workers, sockets: Sockets, tmp_path: Path
) -> None:
    """Whether it is past the limit by itself, or only together with another."""
    limit = 200 * _MIB
    worker = workers.start(limit=limit)
    link = sockets.link(worker.endpoint)
    base = greet(link).base_memory_bytes
    room = (limit - base) // _MIB
    alone = made_bundle(tmp_path / "alone.edgeseg", [hungry_piece(3 * room)])
    refused = _refusal(Served(link, alone).assign(whole(alone)))
    assert "were free for it, its manifest says 6.0 MiB" in refused.reason
    half = room * 2 // 3
    both = made_bundle(tmp_path / "both.edgeseg", [hungry_piece(half), hungry_piece(half + 1)])
    refused = _refusal(Served(link, both).assign(whole(both, epoch=2)))
    assert "piece_01 takes beyond its manifest needs" in refused.reason
    assert not refused.crashing_piece
    link.send(Ping("test"))
    assert hear(link, Pong).peak_memory_bytes < base + 30 * _MIB


def test_a_known_piece_is_not_tried_again(
    workers: Workers, sockets: Sockets, tmp_path: Path
) -> None:
    bundle = made_bundle(tmp_path / "sound.edgeseg", [sound_piece()])
    served = _served(workers, sockets, bundle)
    assert isinstance(served.assign(whole(bundle)), Ready)
    (proof,) = (tmp_path / "cache" / "edgeseg" / "pieces").glob("*.proof")
    changed: Any = msgspec.json.decode(proof.read_bytes())
    changed["proof"]["peak_memory_bytes"] = 400 * _MIB
    proof.write_bytes(msgspec.json.encode(changed))
    refused = _refusal(served.assign(whole(bundle, epoch=2)))
    assert "piece_00 takes beyond its manifest needs" in refused.reason
    changed["engine"] = "another"
    proof.write_bytes(msgspec.json.encode(changed))
    assert isinstance(served.assign(whole(bundle, epoch=3)), Ready)


def test_no_figure_of_a_coordinator_is_believed(
    workers: Workers, sockets: Sockets, tmp_path: Path
) -> None:
    """Of slices in flight it may claim more than they take, never less."""
    bundle = made_bundle(tmp_path / "sound.edgeseg", [sound_piece()])
    served = _served(workers, sockets, bundle)
    window = 300 * _MIB // 2048  # so many slices of 16 x 16 float32, in and out
    claimed = whole(bundle, window=window)
    assert claimed.reserved_bytes >= 300 * _MIB
    for reserved_bytes in (0, claimed.reserved_bytes):
        order = msgspec.structs.replace(claimed, reserved_bytes=reserved_bytes)
        assert "slices in flight take needs" in _refusal(served.assign(order)).reason
    order = msgspec.structs.replace(whole(bundle), reserved_bytes=300 * _MIB)
    assert "slices in flight take needs" in _refusal(served.assign(order)).reason


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda order: {
                "routes": (msgspec.structs.replace(order.routes[0], destinations={"nothing": ()}),)
            },
            id="sends what nobody makes",
        ),
        pytest.param(
            lambda order: {
                "sources": (msgspec.structs.replace(order.sources[0], shape=(1, 999, 999, 1)),)
            },
            id="reads another shape than is made",
        ),
    ],
)
def test_an_order_that_contradicts_itself_is_refused(
    workers: Workers, sockets: Sockets, tmp_path: Path, change: Any
) -> None:
    bundle = made_bundle(tmp_path / "sound.edgeseg", [sound_piece()])
    served = _served(workers, sockets, bundle)
    order = whole(bundle)
    refused = _refusal(served.assign(msgspec.structs.replace(order, **change(order))))
    assert "contradicts itself" in refused.reason
    assert isinstance(served.assign(whole(bundle, epoch=2)), Ready)
