"""A board that lies to a coordinator while another does its slices: no mask is of its making."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from at_worker import assignment
from attack import Attack, BrokenError, Watched
from hostile import Frames, Hostile
from processes import Workers
from talking import frames_of

from edgeseg.boards.boards_file import BoardEntry
from edgeseg.boards.placement import Lane, Placement
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.imaging.slices import SliceGeometry
from edgeseg_runtime.coordination.backlog import Backlog, PendingSlice
from edgeseg_runtime.coordination.coordinator import Coordinator
from edgeseg_runtime.messaging.wire import Job, SliceResult, Welcome

SLICES = 8
_WINDOW = 2
_FORGED = 0.02
"""Share of the messages that are sound in all but who sends them."""


@dataclass(frozen=True)
class Liar:
    """The process of the board that lies."""

    endpoint: str
    epoch: Any
    finished: Event


def attack_coordinator(
    bundle: Path, count: int, seed: int, advance: Callable[[int], None]
) -> Attack:
    """Let the liar send so many messages."""
    opened = Bundle(bundle)
    images, watched, slices = _images(opened), Watched(os.getpid()), 0
    with _liar(count, seed) as liar, Workers() as workers:
        honest = BoardEntry("honest", workers.start().endpoint)
        coordinator = Coordinator(opened, [BoardEntry("liar", liar.endpoint), honest])
        lane = Lane({piece.name: "honest" for piece in opened.manifest.pieces}, _WINDOW)
        coordinator.deploy(Placement((lane,), {}))
        expected = _run(coordinator, images)
        start = time.perf_counter()
        with liar.epoch.get_lock():
            liar.epoch.value = coordinator._epoch
        while not liar.finished.is_set():
            turn = time.perf_counter()
            if _run(coordinator, images) != expected:
                raise BrokenError("the coordinator took a slice from a liar")
            slices += SLICES
            watched.sample(time.perf_counter() - turn)
            advance(0)
        seconds = time.perf_counter() - start
        coordinator.close()
    return Attack(
        *("coordinator", count, seconds, watched.check(), watched.slowest, 0),
        *({}, {"slices done meanwhile": slices}),
    )


def _images(bundle: Bundle) -> list[PendingSlice]:
    rows, cols = bundle.manifest.preprocessing.size
    noise = np.random.default_rng(0).integers(0, 256, (SLICES, rows, cols)).astype(np.uint8)
    return [
        PendingSlice(index, SliceGeometry(rows, cols), grey) for index, grey in enumerate(noise)
    ]


def _run(coordinator: Coordinator, images: list[PendingSlice]) -> dict[int, bytes]:
    backlog = Backlog(images)
    backlog.restart([_WINDOW])
    results: dict[int, bytes] = {}
    while not backlog.done:
        coordinator.admit(backlog)
        results |= {r.index: r.array.tobytes() for r in coordinator.collect(backlog)}
    return results


@contextmanager
def _liar(count: int, seed: int) -> Iterator[Liar]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    epoch, finished = context.Value("q", 0), context.Event()
    process = context.Process(target=_lie, args=(theirs, epoch, finished, count, seed))
    process.start()
    try:
        yield Liar(ours.recv(), epoch, finished)
    finally:
        process.kill()
        process.join()


def _lie(pipe: Any, epoch: Any, finished: Event, count: int, seed: int) -> None:
    """Welcome a coordinator, and once slices flow send it what nobody should."""
    socket: zmq.Socket[bytes] = zmq.Context().socket(zmq.ROUTER)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.bind("tcp://127.0.0.1:*")
    pipe.send(socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0"))
    coordinator, *_ = socket.recv_multipart()
    versions = {"edgeseg": "0", "engine": "none"}
    welcome = Welcome(2**30, 2**20, 1, versions)
    socket.send_multipart([coordinator, *frames_of(welcome)])
    while not epoch.value:
        time.sleep(0.01)
    hostile = Hostile(seed, assignment(1), [0, 1, epoch.value - 1, epoch.value])
    for number in range(count):
        forged = number % round(1 / _FORGED) == 0
        frames = _forged(epoch.value, number) if forged else hostile.message()
        try:
            socket.send_multipart([coordinator, *frames])
        except zmq.ZMQError:
            break  # a coordinator cuts off whoever breaks the protocol
    finished.set()
    socket.close()
    time.sleep(60)


def _forged(epoch: int, number: int) -> Frames:
    """Make a mask of a slice that another board is at: all zeros."""
    side = 64
    job = Job(epoch, number // 50 % (50 * SLICES), 0, SliceGeometry(side, side))
    return frames_of(SliceResult(job, "mask", (side, side)), bytes(side * side))
