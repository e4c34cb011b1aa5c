"""Strangers and liars who would fill a worker's memory: it stays small, and its coordinator's."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from keyrings import Keyring
from processes import RunningWorker, Workers
from strangers import (
    endless_parts,
    huge_frames,
    idle_connections,
    many_parts_with_keys,
    withstood,
)
from talking import Sockets, greet, hear

from edgeseg_runtime.messaging.connection_guard import MAX_CONNECTIONS
from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.messaging.peer_socket import PeerSocket
from edgeseg_runtime.messaging.wire import PROTOCOL, Hello, Pong

pytestmark = pytest.mark.worker

_MIB = 2**20
_SECONDS = 2.0
_LEAST_LIMIT = "88MiB"


@dataclass(frozen=True)
class Served:
    """A worker that serves a coordinator."""

    worker: RunningWorker
    link: PeerSocket
    key: KeyPair
    keyring: Keyring

    def grown(self, attack: Callable[[], object]) -> int:
        """Return by how much the peak has grown while the coordinator was answered."""
        growth, slowest = withstood(self.worker, self.link, attack)
        assert slowest < 2
        assert not self.link.broken
        return growth


@pytest.fixture
def keyed(workers: Workers, sockets: Sockets, tmp_path: Path) -> Served:
    keyring = Keyring(tmp_path)
    key = keyring.board("a")
    worker = workers.start("--quiet", *keyring.flags("a"), limit=_LEAST_LIMIT)
    link = sockets.link(worker.endpoint, keyring.coordinator, key.public, watched=True)
    greet(link)
    return Served(worker, link, key, keyring)


@pytest.fixture
def plain(workers: Workers, sockets: Sockets, tmp_path: Path) -> Served:
    keyring = Keyring(tmp_path)
    worker = workers.start("--quiet", limit=_LEAST_LIMIT)
    link = sockets.link(worker.endpoint, watched=True)
    greet(link)
    return Served(worker, link, keyring.board("a"), keyring)


@pytest.mark.parametrize(("count", "size"), [(1, 75 * _MIB), (8, 75 * _MIB), (100, 250_000)])
def test_a_huge_frame_before_the_handshake_takes_no_memory(
    keyed: Served, count: int, size: int
) -> None:
    def attack() -> None:
        huge_frames(keyed.worker.endpoint, _SECONDS, keyed=True, count=count, size=size)

    assert keyed.grown(attack) < 24 * _MIB


def test_a_huge_frame_takes_no_memory_without_keys(plain: Served) -> None:
    def attack() -> None:
        huge_frames(plain.worker.endpoint, _SECONDS, keyed=False, count=8, size=75 * _MIB)

    assert plain.grown(attack) < 8 * _MIB


@pytest.mark.parametrize(("count", "tiny", "most"), [(1, False, 32), (8, False, 32), (8, True, 96)])
def test_a_message_without_end_is_cut(plain: Served, count: int, tiny: bool, most: int) -> None:
    def attack() -> None:
        endless_parts(plain.worker.endpoint, _SECONDS, count=count, tiny=tiny)

    assert plain.grown(attack) < most * _MIB


@pytest.mark.parametrize("tiny", [False, True])
def test_a_key_does_not_help_a_message_without_end(keyed: Served, tiny: bool) -> None:
    peer = keyed.keyring.board("peer")
    keyed.keyring.authorize("peer")

    def attack() -> None:
        many_parts_with_keys(keyed.worker.endpoint, _SECONDS, peer, keyed.key.public, tiny=tiny)

    assert keyed.grown(attack) < 48 * _MIB


@pytest.mark.parametrize("kind", ["keyed", "plain"])
def test_idle_connections_make_room(
    request: pytest.FixtureRequest, sockets: Sockets, kind: str
) -> None:
    """However many there are, few stay open, and whoever has something to say is heard."""
    served: Served = request.getfixturevalue(kind)
    worker = served.worker
    with idle_connections(worker.endpoint, 300):
        time.sleep(1)
        descriptors = sum(1 for _ in Path(f"/proc/{worker.process.pid}/fd").iterdir())
        assert descriptors < MAX_CONNECTIONS + 40
        keys = (served.keyring.coordinator, served.key.public) if kind == "keyed" else (None, None)
        again = sockets.link(worker.endpoint, *keys)
        again.send(Hello("another", PROTOCOL))
        with suppress(AssertionError):
            hear(again, Pong, 0.5)
        assert again.received_bytes
        assert served.grown(lambda: time.sleep(0.5)) < 4 * _MIB
