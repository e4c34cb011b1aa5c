"""Work done in threads beside the message loop, whose results come back into it."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

_T = TypeVar("_T")
_MAX_WAKE_BYTES = 4096


class Threads:
    """Runs work in threads and hands results to the thread that calls :meth:`settle`.

    :meth:`fileno` is readable as soon as a result is there.

    Parameters
    ----------
    count
        How many pieces of work run at once.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.running = 0
        """Pieces of work that were submitted and are not settled."""
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="edgeseg")
        self._done: deque[Callable[[], None]] = deque()
        self._waiting: deque[Callable[[], None]] = deque()
        self._started: dict[int, float] = {}
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def fileno(self) -> int:
        """Return a descriptor that is readable while results wait to be settled."""
        return self._wake_read

    @property
    def running_seconds(self) -> float:
        """For how long the work has run by now that has run for longest."""
        now = time.monotonic()
        return max([0.0, *(now - start for start in list(self._started.values()))])

    def submit(self, work: Callable[[], _T], then: Callable[["Future[_T]"], None]) -> None:
        """Run ``work`` in a thread; ``then`` is given its future by :meth:`settle`."""
        self.running += 1
        self._pool.submit(self._timed, work).add_done_callback(
            lambda future: self._finish(future, then)
        )

    def _timed(self, work: Callable[[], _T]) -> _T:
        thread = threading.get_ident()
        self._started[thread] = time.monotonic()
        try:
            return work()
        finally:
            del self._started[thread]

    def settle(self) -> None:
        """Hand over every result that has come in."""
        with suppress(BlockingIOError):
            os.read(self._wake_read, _MAX_WAKE_BYTES)
        while self._done:
            self.running -= 1
            self._done.popleft()()
        while self._waiting and not self.running:
            self._waiting.popleft()()

    def when_idle(self, then: Callable[[], None]) -> None:
        """Call ``then`` once nothing runs: at once, or in :meth:`settle`."""
        if self.running:
            self._waiting.append(then)
        else:
            then()

    def wake(self) -> None:
        """Wake whoever polls; safe in a signal handler."""
        # A full pipe wakes as well as one more byte.
        with suppress(BlockingIOError):
            os.write(self._wake_write, b"\0")

    def close(self) -> None:
        """Forget work that has not begun; what runs now ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _finish(self, future: "Future[Any]", then: Callable[["Future[Any]"], None]) -> None:
        # The byte comes after the result: whoever it wakes finds something to settle.
        self._done.append(lambda: then(future))
        self.wake()


class TaskGroup:
    """The work of one deployment: once closed, no result of it is handed over.

    Parameters
    ----------
    threads
        Those of the worker.
    """

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._closed = False

    @property
    def thread_free(self) -> bool:
        """Whether more work would begin at once."""
        return self._threads.running < self._threads.count

    @property
    def closed(self) -> bool:
        """Whether results are dropped from now on; safe in any thread."""
        return self._closed

    def submit(self, work: Callable[[], _T], then: Callable[["Future[_T]"], None]) -> None:
        """Run ``work`` in a thread; ``then`` is given its future unless the group is closed."""

        def hand_over(future: "Future[_T]") -> None:
            if not self._closed:
                then(future)

        self._threads.submit(work, hand_over)

    def when_idle(self, then: Callable[[], None]) -> None:
        """Call ``then`` once nothing runs in any group, unless this one is closed by then."""

        def call() -> None:
            if not self._closed:
                then()

        self._threads.when_idle(call)

    def close(self) -> None:
        """Drop all results that are still to come."""
        self._closed = True
