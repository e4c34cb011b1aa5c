"""Strangers at a worker without keys that serves a coordinator: it goes on serving that alone."""

import time
from collections import Counter
from collections.abc import Callable, Iterator

import zmq
from attack import BATCH, Attack, BrokenError, Log, Watched
from hostile import Hostile
from manifests import chain_manifest
from processes import Workers
from talking import Sockets, greet, hear

from edgeseg.boards.placement import Lane, Placement
from edgeseg.errors import WireError
from edgeseg_runtime.messaging.assignments import assignment_for
from edgeseg_runtime.messaging.peer_socket import PeerSocket
from edgeseg_runtime.messaging.wire import Assignment, PieceRequest, Ping, Pong, decode

EPOCH = 2**40 + 7
SENDERS = 4
_HARMLESS = {"Refused", "WorkerStatus"}
"""What a worker may answer a stranger: that it won't, or how it fares."""


def attack_worker(count: int, seed: int, advance: Callable[[int], None]) -> Attack:
    """Send so many messages."""
    with Workers() as workers, Sockets() as sockets:
        worker = workers.start(limit="300MiB")
        log, watched = Log(worker), Watched(worker.process.pid)
        rightful = sockets.link(worker.endpoint)
        greet(rightful, "rightful")
        _assign(rightful, EPOCH)
        hostile = Hostile(seed, assignment(EPOCH - 1), [0, 1, EPOCH - 1, 2**61])
        raws = [sockets.raw(worker.endpoint) for _ in range(SENDERS)]
        answers: Counter[str] = Counter()
        start = time.perf_counter()
        for number in range(count):
            if number % BATCH == 0:
                watched.sample(_answer_seconds(rightful))
                answers.update(name for raw in raws for name in _answers(raw))
                advance(BATCH)
            raws[number % SENDERS].send_multipart(hostile.message())
        watched.sample(_answer_seconds(rightful))
        seconds = time.perf_counter() - start
        answers.update(name for raw in raws for name in _answers(raw))
        if not _HARMLESS.issuperset(answers):
            raise BrokenError(f"the worker did what strangers asked: {dict(answers)}")
        _assign(rightful, EPOCH + 1)
        return Attack(
            *("worker", count, seconds, watched.check(), watched.slowest, log.check()),
            *(dict(hostile.counts), dict(answers)),
        )


def assignment(epoch: int) -> Assignment:
    """Return an order that a worker without that piece answers by asking for it."""
    placement = Placement((Lane({"piece_00": "a"}, 2),), {})
    return assignment_for("a", chain_manifest([1], [2**20]), placement, epoch, {})


def _assign(rightful: PeerSocket, epoch: int) -> None:
    rightful.send(assignment(epoch))
    if hear(rightful, PieceRequest).epoch != epoch:
        raise BrokenError("the worker no longer does what it is told")


def _answer_seconds(rightful: PeerSocket) -> float:
    """Ask for a sign of life; nothing else may have come, such as a slice that failed."""
    start = time.perf_counter()
    rightful.send(Ping("rightful"))
    rightful.socket.poll(20_000)
    received = rightful.receive()
    if received is None or not isinstance(received[0], Pong):
        raise BrokenError(
            f"the coordinator heard {received and type(received[0]).__name__}, not its Pong"
        )
    return time.perf_counter() - start


def _answers(raw: "zmq.Socket[bytes]") -> Iterator[str]:
    while raw.poll(0):
        header, *_ = raw.recv_multipart()
        try:
            yield type(decode(header)).__name__
        except WireError:
            yield "nothing"
