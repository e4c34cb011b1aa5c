"""Steps that share the memory: which one is next, and that nothing runs while one is loaded."""

import select
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import EdgesegError
from edgeseg.imaging.slices import SliceGeometry
from edgeseg.inference.measure import resident_bytes
from edgeseg_runtime.board.dataflow.executor import Executor
from edgeseg_runtime.board.dataflow.time_sharing import StepSwapper, most_ready
from edgeseg_runtime.board.pieces.interpreter_pool import InterpreterPool
from edgeseg_runtime.board.pieces.piece_cache import cached_path, store_piece
from edgeseg_runtime.board.pieces.step_loader import StepLoader
from edgeseg_runtime.board.pieces.steps import Step
from edgeseg_runtime.board.threads import TaskGroup, Threads
from edgeseg_runtime.messaging.wire import Job, Routes


class _Board:
    """A swapper between the pieces of a bundle, each a step, and what it has done."""

    def __init__(self, bundle: Bundle, threads: Threads, in_flight: int) -> None:
        self.pieces = bundle.manifest.pieces
        self.image = bundle.manifest.input
        steps = {piece.name: Step((piece,)) for piece in self.pieces}
        self.executor = Executor(steps, {0: Routes(0, tuple(steps), {}, in_flight)})
        self.pool = InterpreterPool()
        self.resumed = 0
        self.refusals: list[BaseException] = []
        self.threads = threads
        loader = StepLoader(steps, resident=False, copies=1, threads=1, base_bytes=resident_bytes())
        tasks = TaskGroup(threads)
        self.swapper = StepSwapper(loader, self.pool, self.executor, tasks, self.refusals.append)

    def offer_image(self, index: int) -> None:
        job = Job(1, index, 0, SliceGeometry(64, 64))
        self.executor.offer(job, self.image.tensor, np.zeros((64, 64), np.uint8))

    def consider(self, running: int = 0) -> None:
        self.swapper.consider(running, self._resume)

    def settle(self) -> None:
        deadline = time.monotonic() + 20
        while self.threads.running and time.monotonic() < deadline:
            select.select([self.threads.fileno()], [], [], 1)
            self.threads.settle()

    def _resume(self) -> None:
        self.resumed += 1


@pytest.fixture
def threads() -> Iterator[Threads]:
    pool = Threads(1)
    yield pool
    pool.close()


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A bundle whose pieces are in a cache of their own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    opened = Bundle(tiny_bundle)
    for piece in opened.manifest.pieces:
        store_piece(piece, opened.packed_piece(piece))
    return opened


def test_the_step_that_may_fire_on_most_slices_is_next() -> None:
    assert most_ready({}) is None
    assert most_ready({"a": 1, "b": 3, "c": 2}) == "b"
    assert most_ready({"a": 2, "b": 1, "c": 2}) == "c"


def test_a_step_is_loaded_at_once_when_no_more_slices_may_come(
    bundle: Bundle, threads: Threads
) -> None:
    board = _Board(bundle, threads, in_flight=1)
    board.offer_image(0)
    board.consider()
    board.settle()
    assert board.pool.idle == {board.pieces[0].name}
    assert (board.resumed, board.refusals) == (1, [])


def test_more_slices_are_waited_for_once(bundle: Bundle, threads: Threads) -> None:
    """While more may come, the first call waits; the second one, with nothing new, loads."""
    board = _Board(bundle, threads, in_flight=2)
    board.offer_image(0)
    board.consider()
    board.settle()
    assert board.pool.idle == frozenset()
    board.consider()
    board.settle()
    assert board.pool.idle == {board.pieces[0].name}
    assert board.resumed == 2


def test_nothing_is_loaded_while_a_step_runs_or_none_can_fire(
    bundle: Bundle, threads: Threads
) -> None:
    board = _Board(bundle, threads, in_flight=1)
    board.consider()
    assert threads.running == 0
    board.offer_image(0)
    board.consider(running=1)
    assert threads.running == 0


def test_a_step_that_can_not_be_loaded_is_refused(bundle: Bundle, threads: Threads) -> None:
    board = _Board(bundle, threads, in_flight=1)
    cached_path(board.pieces[0].sha256).write_bytes(b"no model")
    board.offer_image(0)
    board.consider()
    board.settle()
    (refusal,) = board.refusals
    assert isinstance(refusal, EdgesegError)
    assert board.resumed == 0
