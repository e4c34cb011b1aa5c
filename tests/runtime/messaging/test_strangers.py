"""Who gets past the handshake of a worker with keys, and what a board may do that gives no orders.

Real workers and real sockets: what is refused here is refused by the process on the board.
"""

import time
from pathlib import Path

import msgspec
import pytest
from keyrings import Keyring
from manifests import chain_manifest
from processes import RunningWorker, Workers, edgeseg, one_line
from talking import Sockets, greet, hear, refusal

from edgeseg.boards.placement import Lane, Placement
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.messaging.assignments import assignment_for
from edgeseg_runtime.messaging.keys import KeyPair, make_keys
from edgeseg_runtime.messaging.peer_socket import PeerSocket
from edgeseg_runtime.messaging.wire import (
    PROTOCOL,
    Assignment,
    Bye,
    Failed,
    Hello,
    Job,
    Peer,
    PieceRequest,
    Ping,
    Pong,
    TensorData,
    Welcome,
)

pytestmark = pytest.mark.worker

_AT_ONCE = 0.5
_BAD_IMAGE = TensorData(Job(1, 7, 0, SliceGeometry(8, 8)), "image", "uint8", (3, 3))


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path)


@pytest.fixture
def board(keyring: Keyring) -> KeyPair:
    return keyring.board("pi4-a")


@pytest.fixture
def worker(workers: Workers, keyring: Keyring, board: KeyPair) -> RunningWorker:
    return workers.start(*keyring.flags("pi4-a"), limit="200MiB")


@pytest.fixture
def coordinator(
    worker: RunningWorker, keyring: Keyring, board: KeyPair, sockets: Sockets
) -> PeerSocket:
    return sockets.link(worker.endpoint, keyring.coordinator, board.public, watched=True)


def _assignment(*admits: str, epoch: int = 1) -> Assignment:
    placement = Placement((Lane({"piece_00": "a"}, 2),), {})
    order = assignment_for("a", chain_manifest([1], [2**20]), placement, epoch, {})
    return msgspec.structs.replace(order, admits=admits)


def _refused(link: PeerSocket) -> str:
    """Wait until the handshake has failed; nothing must have come in."""
    deadline = time.monotonic() + 10
    while link.refusal is None and time.monotonic() < deadline:
        link.socket.poll(50)
        assert link.receive() is None
    assert link.refusal is not None
    return link.refusal


def _unheard(link: PeerSocket) -> bool:
    """Tell whether nothing comes back."""
    return not link.socket.poll(round(1000 * _AT_ONCE))


def test_known_keys_are_served(coordinator: PeerSocket) -> None:
    assert greet(coordinator).cores == 1
    coordinator.send(_assignment())
    assert hear(coordinator, PieceRequest).epoch == 1
    assert coordinator.refusal is None


def test_strangers_get_no_further_than_the_handshake(
    worker: RunningWorker,
    board: KeyPair,
    keyring: Keyring,
    sockets: Sockets,
    coordinator: PeerSocket,
) -> None:
    greet(coordinator)
    coordinator.send(_assignment())
    hear(coordinator, PieceRequest)
    no_key = sockets.link(worker.endpoint, watched=True)
    unknown = sockets.link(worker.endpoint, make_keys(), board.public, watched=True)
    wrong = sockets.link(worker.endpoint, keyring.coordinator, make_keys().public, watched=True)
    itself = sockets.link(worker.endpoint, board, board.public, watched=True)
    for link in (no_key, unknown, wrong, itself):
        link.send(Hello("stranger", PROTOCOL))
        link.send(_BAD_IMAGE, bytes(9))
    assert any(word in _refused(no_key) for word in ("with keys where", "breaks off"))
    assert "does not know this machine's key" in _refused(unknown)
    assert "breaks off the handshake; see whether its public_key" in _refused(wrong)
    assert "does not know this machine's key" in _refused(itself)
    coordinator.send(Ping("test"))
    hear(coordinator, Pong)
    assert _unheard(coordinator)
    # A link that was turned away has nowhere to send to; it must not wait for that.
    unknown.send(Bye("stranger"))


def test_a_key_is_revoked_by_removing_its_file(
    worker: RunningWorker,
    board: KeyPair,
    keyring: Keyring,
    sockets: Sockets,
    coordinator: PeerSocket,
) -> None:
    """For those who come, and for who is there: neither needs the worker to be started again."""
    greet(coordinator)
    keyring.admission.unlink()
    coordinator.send(Ping("test"))
    assert _unheard(coordinator)
    again = sockets.link(worker.endpoint, keyring.coordinator, board.public, watched=True)
    again.send(Hello("test", PROTOCOL))
    assert "does not know this machine's key" in _refused(again)
    keyring.authorize("coordinator")
    coordinator.send(Ping("test"))
    hear(coordinator, Pong)


def test_a_board_sends_tensors_in_its_epoch_but_gives_no_orders(
    worker: RunningWorker,
    board: KeyPair,
    keyring: Keyring,
    sockets: Sockets,
    coordinator: PeerSocket,
) -> None:
    peer, outsider_keys = keyring.board("pi4-b"), keyring.board("pi4-c")
    greet(coordinator)
    coordinator.send(_assignment(peer.public))
    hear(coordinator, PieceRequest)
    sender = sockets.link(worker.endpoint, peer, board.public, watched=True)
    # A tensor of a wrong shape fails its slice: that tells whether it was looked at.
    sender.send(_BAD_IMAGE, bytes(9))
    assert hear(coordinator, Failed).job.slice == 7
    for order in (Hello("mine", PROTOCOL), Hello("test", PROTOCOL), Ping("test"), Bye("test")):
        sender.send(order)
    sender.send(_assignment(peer.public, epoch=2))
    assert _unheard(sender)
    outsider = sockets.link(worker.endpoint, outsider_keys, board.public, watched=True)
    outsider.send(_BAD_IMAGE, bytes(9))
    assert "does not know this machine's key" in _refused(outsider)
    coordinator.send(_assignment(epoch=3))
    hear(coordinator, PieceRequest)
    later = msgspec.structs.replace(_BAD_IMAGE.job, epoch=3)
    sender.send(msgspec.structs.replace(_BAD_IMAGE, job=later), bytes(9))
    assert _unheard(coordinator)
    coordinator.send(Ping("test"))
    hear(coordinator, Pong)


def test_tensors_of_older_epochs_are_dropped(coordinator: PeerSocket) -> None:
    greet(coordinator)
    coordinator.send(_assignment(epoch=2))
    hear(coordinator, PieceRequest)
    coordinator.send(_BAD_IMAGE, bytes(9))
    coordinator.send(_assignment(epoch=1))
    assert _unheard(coordinator)


def test_a_second_coordinator_waits_although_its_key_is_known(
    worker: RunningWorker,
    board: KeyPair,
    keyring: Keyring,
    sockets: Sockets,
    coordinator: PeerSocket,
) -> None:
    second = keyring.board("second")
    keyring.authorize("second")
    greet(coordinator)
    link = sockets.link(worker.endpoint, second, board.public)
    assert "serves another coordinator" in refusal(link, Hello("second", PROTOCOL))


def test_boards_have_keys_all_or_none(coordinator: PeerSocket) -> None:
    """Else tensors would leave a board with keys in the clear."""
    greet(coordinator)
    order = msgspec.structs.replace(_assignment(), peers={"b": Peer("tcp://127.0.0.1:9")})
    assert "must both run with a key" in refusal(coordinator, order)


def test_a_coordinator_notices_a_worker_without_keys(
    workers: Workers, keyring: Keyring, board: KeyPair, sockets: Sockets
) -> None:
    plain = workers.start(limit="200MiB")
    link = sockets.link(plain.endpoint, keyring.coordinator, board.public, watched=True)
    link.send(Hello("test", PROTOCOL))
    assert any(word in _refused(link) for word in ("with keys where", "breaks off"))
    assert isinstance(greet(sockets.link(plain.endpoint)), Welcome)


def test_a_worker_says_what_is_wrong_with_its_keys(keyring: Keyring, board: KeyPair) -> None:
    listen = ("worker", "--listen", "tcp://0.0.0.0:*")
    one_line(edgeseg(*listen), 2, "edgeseg keygen", "--insecure")
    one_line(edgeseg(*listen, "--authorized", "x", "--insecure"), 2, "--authorized needs --key")
    keyring.admission.unlink()
    one_line(edgeseg(*listen, *keyring.flags("pi4-a")), 2, "no key may give orders here")
    keyring.secret("pi4-a").chmod(0o644)
    one_line(edgeseg(*listen, *keyring.flags("pi4-a")), 2, "others may read the secret")


def test_a_worker_with_keys_listens_beyond_this_machine(
    workers: Workers, keyring: Keyring, board: KeyPair
) -> None:
    worker = workers.start(*keyring.flags("pi4-a"), "--listen", "tcp://0.0.0.0:*")
    assert worker.endpoint.startswith("tcp://0.0.0.0:")
