"""Work done in threads comes back to the thread that settles."""

import select
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from edgeseg_runtime.board.threads import TaskGroup, Threads


@pytest.fixture
def threads() -> Iterator[Threads]:
    pool = Threads(2)
    yield pool
    pool.close()


def _settle_until(threads: Threads, done: list[object], count: int) -> None:
    """Settle as a message loop does: asleep until something can be read."""
    deadline = time.monotonic() + 10
    while len(done) < count and time.monotonic() < deadline:
        select.select([threads.fileno()], [], [], 1)
        threads.settle()


def test_results_are_handed_over_in_the_settling_thread(threads: Threads) -> None:
    results: list[object] = []
    settling_thread = threading.get_ident()

    def then(future: "Future[int]") -> None:
        results.append(
            (future.result() == settling_thread, threading.get_ident() == settling_thread)
        )

    for _ in range(50):
        threads.submit(threading.get_ident, then)
    assert threads.running == 50
    _settle_until(threads, results, 50)
    assert results == [(False, True)] * 50
    assert threads.running == 0


def test_nobody_is_woken_for_ever(threads: Threads) -> None:
    results: list[object] = []
    threads.submit(lambda: 1, lambda future: results.append(future.result()))
    _settle_until(threads, results, 1)
    # A result may be settled before its byte is written; then one more wake-up follows.
    threads._pool.shutdown(wait=True)
    threads.settle()
    assert not select.select([threads.fileno()], [], [], 0)[0]


def test_nothing_is_handed_over_before_it_is_settled(threads: Threads) -> None:
    results: list[object] = []
    threads.submit(lambda: 1, lambda future: results.append(future.result()))
    assert select.select([threads.fileno()], [], [], 10)[0]
    assert results == []
    threads.settle()
    assert results == [1]


def test_an_exception_is_handed_over_like_a_result(threads: Threads) -> None:
    failures: list[object] = []
    threads.submit(lambda: 1 / 0, lambda future: failures.append(type(future.exception())))
    _settle_until(threads, failures, 1)
    assert failures == [ZeroDivisionError]


def test_as_much_runs_at_once_as_was_asked_for(threads: Threads) -> None:
    """Both wait for each other: that ends only if both run."""
    meeting, done = threading.Barrier(2, timeout=10), list[object]()
    for _ in range(2):
        threads.submit(meeting.wait, lambda future: done.append(future.exception()))
    _settle_until(threads, done, 2)
    assert done == [None, None]


def test_closing_forgets_what_has_not_begun() -> None:
    threads, started, hold = Threads(1), list[object](), threading.Event()
    threads.submit(lambda: hold.wait(10), lambda _: None)
    threads.submit(lambda: started.append(1), lambda _: None)
    threads.close()
    hold.set()
    time.sleep(0.05)
    assert started == []


def test_what_waits_for_idleness_comes_after_all_that_runs(threads: Threads) -> None:
    order: list[object] = []
    threads.when_idle(lambda: order.append("at once"))
    assert order == ["at once"]
    for _ in range(3):
        threads.submit(lambda: time.sleep(0.01), lambda _: order.append("ran"))
    threads.when_idle(lambda: order.append("idle"))
    assert order == ["at once"]
    _settle_until(threads, order, 5)
    assert order == ["at once", "ran", "ran", "ran", "idle"]


def test_a_group_that_is_closed_hands_nothing_over(threads: Threads) -> None:
    """Its work is settled all the same, and that of another group goes on."""
    closed, other, results = TaskGroup(threads), TaskGroup(threads), list[object]()
    hold = threading.Event()
    closed.submit(lambda: hold.wait(10), lambda _: results.append("closed"))
    closed.when_idle(lambda: results.append("closed and idle"))
    other.submit(lambda: hold.wait(10), lambda _: results.append("other"))
    other.when_idle(lambda: results.append("idle"))
    closed.close()
    hold.set()
    _settle_until(threads, results, 2)
    assert results == ["other", "idle"]
    assert threads.running == 0


def test_a_group_knows_whether_more_would_run_at_once(threads: Threads) -> None:
    tasks, hold, results = TaskGroup(threads), threading.Event(), list[object]()
    for _ in range(2):
        assert tasks.thread_free
        tasks.submit(lambda: hold.wait(10), results.append)
    assert not TaskGroup(threads).thread_free
    hold.set()
    _settle_until(threads, results, 2)
    assert tasks.thread_free
