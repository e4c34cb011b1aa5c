"""Boards come and go in mid-volume: the masks are the same, and each slice comes once."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from limits import limit_for_runs
from numpy.typing import NDArray
from processes import RunningWorker, Workers
from talking import Sockets, greet
from typing_extensions import Self

from edgeseg.boards.boards_file import BoardEntry
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import BoardError, PlacementError
from edgeseg_runtime import Segmenter
from edgeseg_runtime.coordination.connections import GREET_SECONDS
from edgeseg_runtime.messaging.listener import Listener
from edgeseg_runtime.messaging.wire import (
    AnyMessage,
    Assignment,
    Failed,
    Hello,
    PieceRequest,
    Ping,
    Pong,
    Ready,
    Refused,
    SliceResult,
    TensorData,
    Welcome,
)
from edgeseg_runtime.results.run_report import RunReport

_SLICES = 60
_WAIT = 60.0


@pytest.fixture(scope="module")
def scan(hounsfield: NDArray[np.int16]) -> NDArray[np.int16]:
    return np.stack([hounsfield[n % 6] + n for n in range(_SLICES)]).astype(np.int16)


@pytest.fixture(scope="module")
def expected(tiny_bundle: Path, scan: NDArray[np.int16]) -> NDArray[np.uint8]:
    with Workers() as workers, Segmenter(tiny_bundle, [workers.start().endpoint]) as segmenter:
        return segmenter.segment(scan).mask


class Run:
    """A run in whose course things are done."""

    def __init__(self, bundle: Path, boards: Sequence[str | BoardEntry], **options: Any) -> None:
        self.told: list[str] = []
        self.segmenter = Segmenter(bundle, boards, tell=self.told.append, **options)
        self.came = 0
        self.pause = 0.0

    def segment(
        self, scan: NDArray[Any], at: int, action: Callable[[], object], pause: float = 0.0
    ) -> tuple[NDArray[np.uint8], RunReport]:
        """Segment, do something when so many slices have come, and take a pause after each."""
        self.came, self.pause = 0, pause

        def progress() -> None:
            self.came += 1
            if self.came == at:
                action()
            time.sleep(self.pause)

        with self.segmenter:
            done = self.segmenter.segment(scan, progress=progress)
        assert self.came == len(scan)
        return done.mask, done.report


def _endpoints(started: Sequence[RunningWorker]) -> list[str]:
    return [worker.endpoint for worker in started]


def _kill(worker: RunningWorker) -> None:
    worker.process.kill()
    worker.process.wait()


@pytest.mark.parametrize("chained", [False, True])
def test_a_killed_worker_costs_no_slice(
    workers: Workers,
    base_memory: int,
    tiny_bundle: Path,
    scan: NDArray[np.int16],
    expected: NDArray[np.uint8],
    *,
    chained: bool,
) -> None:
    """Whole slices on each, and pieces that none has room for alone."""
    limit = limit_for_runs(Bundle(tiny_bundle).manifest, base_memory, 2) if chained else "1GiB"
    started = [workers.start(limit=limit) for _ in range(3)]
    names = [f"board-{number}" for number in (1, 2, 3)]
    run = Run(tiny_bundle, _endpoints(started))
    killed: list[str] = []

    def kill() -> None:
        """Kill a board that has pieces: not each of three needs to have one."""
        killed.append(run.segmenter.placement.members[0])
        _kill(started[names.index(killed[0])])

    mask, report = run.segment(scan, 7, kill, pause=0.01)
    np.testing.assert_array_equal(mask, expected)
    (loss,) = report.losses
    assert (loss.board, loss.reason) == (killed[0], "its connection broke")
    assert loss.recovery_seconds is not None
    assert report.epochs == 2
    line = f"board {killed[0]} was lost (its connection broke); going on with 2 boards"
    assert run.told == [line]
    lost_board = report.boards[names.index(killed[0])]
    assert lost_board.left_out == "its connection broke"
    assert lost_board.pieces == ()


def test_a_frozen_worker_is_given_up_and_taken_back(
    workers: Workers,
    tiny_bundle: Path,
    scan: NDArray[np.int16],
    expected: NDArray[np.uint8],
) -> None:
    started = [workers.start() for _ in range(2)]
    frozen = started[1].process
    run = Run(tiny_bundle, _endpoints(started))

    def thaw() -> None:
        _until(lambda: bool(run.told))
        frozen.send_signal(signal.SIGCONT)
        _until(lambda: "joined" in run.told[-1])
        run.pause = 0.0

    def freeze() -> None:
        frozen.send_signal(signal.SIGSTOP)
        threading.Thread(target=thaw).start()

    mask, report = run.segment(scan, 5, freeze, pause=0.1)
    np.testing.assert_array_equal(mask, expected)
    assert run.told[0] == "board board-2 was lost (no word for 2 s); going on with 1 board"
    assert run.told[1] == "board-2 joined: 2 boards from here on"
    assert (len(report.losses), report.epochs) == (1, 3)


@pytest.mark.parametrize("first", [True, False])
def test_a_worker_that_is_started_in_mid_volume_joins(
    workers: Workers,
    tiny_bundle: Path,
    scan: NDArray[np.int16],
    expected: NDArray[np.uint8],
    *,
    first: bool,
) -> None:
    """One that was killed and is back on its port, and one that was not up in time."""
    started = [workers.start() for _ in range(2)]
    endpoints = _endpoints(started)
    if not first:
        _kill(started[1])
    run = Run(tiny_bundle, endpoints)

    def restart() -> None:
        _kill(started[1])
        workers.start("--listen", endpoints[1])

    mask, report = run.segment(scan, 5, restart, pause=0.03)
    np.testing.assert_array_equal(mask, expected)
    assert report.boards[1].pieces, "it works for the rest of the volume"
    assert len(report.losses) == first
    message = "was lost (its connection broke)" if first else "is left out: no worker answers at"
    assert message in run.told[0]
    assert run.told[1] == "board-2 joined: 2 boards from here on"


def test_a_board_that_can_not_keep_pieces_is_left_out(
    workers: Workers,
    tiny_bundle: Path,
    tmp_path: Path,
    scan: NDArray[np.int16],
    expected: NDArray[np.uint8],
) -> None:
    full = _with_cache(workers, tmp_path)
    run = Run(tiny_bundle, [workers.start().endpoint, full.endpoint])
    mask, report = run.segment(scan, 1, lambda: None)
    np.testing.assert_array_equal(mask, expected)
    assert "cache folder" in str(report.boards[1].left_out)
    (line,) = run.told
    assert line.startswith("board board-2 is left out: can't make the cache folder")


def test_without_a_board_that_can_not_keep_pieces_there_may_be_no_way(
    workers: Workers, tiny_bundle: Path, tmp_path: Path
) -> None:
    full = _with_cache(workers, tmp_path)
    start = time.monotonic()
    with pytest.raises(BoardError, match="board-1: can't make the cache folder"):
        Segmenter(tiny_bundle, [full.endpoint]).__enter__()
    assert time.monotonic() - start < 30, "there is nobody to wait for"


def _with_cache(workers: Workers, folder: Path) -> RunningWorker:
    """Start a worker in whose cache nothing can be kept: a file is in the folder's place."""
    (folder / "edgeseg").mkdir()
    (folder / "edgeseg" / "pieces").touch()
    words = ("env", f"XDG_CACHE_HOME={folder}", sys.executable, "-m", "edgeseg")
    return workers.start(command=words)


def test_all_boards_may_be_lost_for_a_while(
    workers: Workers,
    tiny_bundle: Path,
    scan: NDArray[np.int16],
    expected: NDArray[np.uint8],
) -> None:
    started = [workers.start() for _ in range(2)]
    endpoints = _endpoints(started)
    run = Run(tiny_bundle, endpoints, patience=_WAIT)

    def bring_back() -> None:
        _until(lambda: any("waiting up to" in line for line in run.told))
        workers.start("--listen", endpoints[0])

    def lose_all() -> None:
        for worker in started:
            _kill(worker)
        threading.Thread(target=bring_back).start()

    mask, report = run.segment(scan, 5, lose_all)
    np.testing.assert_array_equal(mask, expected)
    assert {loss.board for loss in report.losses} == {"board-1", "board-2"}


def test_patience_has_an_end(workers: Workers, tiny_bundle: Path, scan: NDArray[np.int16]) -> None:
    started = workers.start()
    run = Run(tiny_bundle, [started.endpoint], patience=1.0)
    start = time.monotonic()
    with pytest.raises(BoardError, match=r"^board-1: its connection broke$"):
        run.segment(scan, 3, lambda: _kill(started))
    assert time.monotonic() - start > 1
    assert run.came < len(scan)


def test_too_few_that_are_left_say_who_is_missing(
    workers: Workers, base_memory: int, tiny_bundle: Path, scan: NDArray[np.int16]
) -> None:
    large, small = workers.start(), workers.start(limit=base_memory + 2**21)
    run = Run(tiny_bundle, [large.endpoint, small.endpoint], patience=0.5)
    with pytest.raises(PlacementError, match=r"needs .* MiB on board-2.*board-1: its connection"):
        run.segment(scan, 3, lambda: _kill(large))
    assert "board-1 was lost" in run.told[0]
    assert "waiting up to 0.5 s for board-1" in run.told[1]


def test_a_board_lost_three_times_in_a_row_rests(
    workers: Workers,
    tiny_bundle: Path,
    scan: NDArray[np.int16],
    expected: NDArray[np.uint8],
) -> None:
    started = [workers.start() for _ in range(2)]
    endpoint = started[1].endpoint
    run = Run(tiny_bundle, _endpoints(started))
    restarted = [started[1]]

    def trouble() -> None:
        for losses in (1, 2, 3):
            _kill(restarted[-1])
            restarted.append(workers.start("--listen", endpoint))
            if losses < 3:
                _until(lambda count=losses: sum("joined" in line for line in run.told) == count)
        time.sleep(2 * GREET_SECONDS)  # in which it does not come back
        run.pause = 0.0

    thread = threading.Thread(target=trouble)
    mask, report = run.segment(scan, 3, thread.start, pause=0.2)
    thread.join()
    np.testing.assert_array_equal(mask, expected)
    assert len(report.losses) == 3
    assert sum("joined" in line for line in run.told) == 2
    assert "(its connection broke), 3 times by now: it rests for a while; going on" in run.told[-1]


def test_the_last_board_is_never_given_up_while_slices_are_finished(
    workers: Workers,
    tiny_bundle: Path,
    scan: NDArray[np.int16],
    expected: NDArray[np.uint8],
) -> None:
    """Four losses in a few seconds of the only board, which is started again each time."""
    restarted = [workers.start()]
    endpoint = restarted[0].endpoint
    run = Run(tiny_bundle, [endpoint], patience=20.0)

    def trouble() -> None:
        for losses in range(1, 5):
            _kill(restarted[-1])
            _until(lambda count=losses: sum("was lost" in line for line in run.told) == count)
            done = run.came
            restarted.append(workers.start("--listen", endpoint))
            _until(lambda count=done: run.came > count)
        run.pause = 0.0

    thread = threading.Thread(target=trouble)
    mask, report = run.segment(np.concatenate([scan] * 8), 3, thread.start, pause=0.2)
    thread.join()
    np.testing.assert_array_equal(mask, np.concatenate([expected] * 8))
    assert len(report.losses) == 4


def test_a_slow_board_gets_less_to_do(
    workers: Workers,
    base_memory: int,
    tiny_bundle: Path,
    scan: NDArray[np.int16],
    expected: NDArray[np.uint8],
) -> None:
    """In a chain all wait for the slowest; pieces move to where they take less time."""
    limit = limit_for_runs(Bundle(tiny_bundle).manifest, base_memory, 2)
    started = {f"board-{n}": workers.start(limit=limit) for n in (1, 2, 3)}
    run = Run(tiny_bundle, _endpoints(list(started.values())))
    with run.segmenter as segmenter:
        before = segmenter.segment(scan).report
        victim = before.lanes[0].pieces["piece_00"]
        with _throttled(started[victim], lambda: bool(run.told)):
            after = segmenter.segment(np.concatenate([scan] * 3))
    np.testing.assert_array_equal(after.mask, np.concatenate([expected] * 3))
    assert any(victim in line and "times as long as planned" in line for line in run.told)
    assert after.report.epochs == 2
    pieces = [list(report.lanes[0].pieces.values()) for report in (before, after.report)]
    assert pieces[1].count(victim) < pieces[0].count(victim)


@contextmanager
def _throttled(worker: RunningWorker, noticed: Callable[[], bool]) -> Iterator[None]:
    """Let a worker run for moments shorter than its pieces, until that is noticed."""
    ended = threading.Event()

    def throttle() -> None:
        while not (ended.is_set() or noticed()):
            worker.process.send_signal(signal.SIGSTOP)
            time.sleep(0.02)
            worker.process.send_signal(signal.SIGCONT)
            time.sleep(0.0003)

    thread = threading.Thread(target=throttle)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_board_that_serves_another_is_left_out_or_waited_for(
    workers: Workers,
    sockets: Sockets,
    tiny_bundle: Path,
    scan: NDArray[np.int16],
    expected: NDArray[np.uint8],
) -> None:
    busy, free = workers.start(), workers.start()
    other = sockets.link(busy.endpoint)
    greet(other, "another")
    run = Run(tiny_bundle, [busy.endpoint, free.endpoint])
    mask, _ = run.segment(scan, 1, lambda: None)
    np.testing.assert_array_equal(mask, expected)
    assert "board board-1 is left out: this worker serves another coordinator" in run.told[0]
    # The other one says no more: the worker drops it after some time and is free.
    waiting = Run(tiny_bundle, [busy.endpoint], patience=_WAIT)
    mask, _ = waiting.segment(scan, 1, lambda: None)
    np.testing.assert_array_equal(mask, expected)
    assert "waiting up to 60 s for board-1" in waiting.told[0]


class _Impostor:
    """A board that is played by hand: it does its part, and says what is out of date."""

    def __init__(
        self, listener: Listener, mask: NDArray[np.uint8], failure: str | None = None
    ) -> None:
        self._listener = listener
        self._mask = mask
        self._failure = failure
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self.assigned: list[int] = []
        self.admitted = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _serve(self) -> None:
        while not self._ended.is_set():
            self._listener.socket.poll(20)
            while (got := self._listener.receive()) is not None:
                for answer, payload in self._answers(got.message):
                    self._listener.send(got.sender, answer, payload)

    def _answers(self, message: AnyMessage) -> Iterator[tuple[AnyMessage, Any]]:
        if isinstance(message, Hello):
            yield Welcome(2**30, 0, 1, {}), None
        elif isinstance(message, Ping):
            yield Pong(0, 0, 0, {}), None
        elif isinstance(message, Assignment):
            self.assigned.append(message.epoch)
            old = message.epoch - 1
            yield Refused(old, "an old refusal"), None
            yield PieceRequest(old, "f" * 64), None
            yield Ready(old), None
            yield Ready(message.epoch), None
        elif isinstance(message, TensorData):
            self.admitted += 1
            job = message.job
            old_job = type(job)(job.epoch - 1, job.slice, job.lane, job.geometry)
            wrong, shape = np.full((64, 64), 9, np.uint8), (64, 64)
            yield Failed(old_job, "an old failure"), None
            yield SliceResult(old_job, "mask", shape), wrong
            if self._failure is not None:
                yield Failed(job, self._failure), None
            yield SliceResult(job, "mask", shape), self._mask
            yield SliceResult(job, "mask", shape), wrong


def test_what_is_out_of_date_or_comes_twice_is_dropped(
    sockets: Sockets, tiny_bundle: Path, scan: NDArray[np.int16]
) -> None:
    mask = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64) % 4
    listener = sockets.listener()
    with _Impostor(listener, mask) as impostor:
        run = Run(tiny_bundle, [listener.endpoint])
        masks, report = run.segment(scan, 1, lambda: None)
    np.testing.assert_array_equal(masks, np.stack([mask] * len(scan)))
    assert (report.losses, report.epochs) == ((), 1)
    assert impostor.admitted == len(scan)
    assert run.told == []


@pytest.mark.parametrize(
    ("mask", "failure", "message"),
    [
        (np.zeros((3, 3), np.uint8), None, "it sent no mask of slice"),
        (np.zeros((2000, 2000), np.uint8), None, "it sent no mask of slice"),
        (np.zeros((64, 64), np.uint8), "MemoryError", "MemoryError"),
    ],
)
def test_a_board_that_makes_no_masks_is_left_out(
    sockets: Sockets,
    workers: Workers,
    tiny_bundle: Path,
    scan: NDArray[np.int16],
    expected: NDArray[np.uint8],
    *,
    mask: NDArray[np.uint8],
    failure: str | None,
    message: str,
) -> None:
    listener = sockets.listener()
    with _Impostor(listener, mask, failure):
        run = Run(tiny_bundle, [listener.endpoint, workers.start().endpoint])
        masks, _ = run.segment(scan, 1, lambda: None)
    np.testing.assert_array_equal(masks, expected)
    assert run.told[0].startswith(f"board board-1 is left out: {message}")


def test_slices_of_a_run_that_ended_early_do_not_meet_those_of_the_next(
    workers: Workers,
    tiny_bundle: Path,
    scan: NDArray[np.int16],
    expected: NDArray[np.uint8],
) -> None:
    class StoppedError(Exception):
        pass

    def stop() -> None:
        raise StoppedError

    with Segmenter(tiny_bundle, [workers.start().endpoint]) as segmenter:
        for _ in range(3):
            with pytest.raises(StoppedError):
                segmenter.segment(scan[::-1].copy(), progress=stop)
            np.testing.assert_array_equal(segmenter.segment(scan).mask, expected)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
