"""Work done beside the message loop, whose results come back into it."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

_T = TypeVar("_T")
_MANY = 4096


class Threads:
    """Runs work in threads and hands results to the thread that calls :meth:`settle`.

    Whoever polls :meth:`fileno` wakes up as soon as something is done.

    Parameters
    ----------
    count
        How many pieces of work run at once.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.running = 0
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="edgeseg")
        self._done: deque[Callable[[], None]] = deque()
        self._waiting: deque[Callable[[], None]] = deque()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def fileno(self) -> int:
        """Readable while results wait to be settled."""
        return self._wake_read

    def submit(self, work: Callable[[], _T], then: Callable[["Future[_T]"], None]) -> None:
        """Run ``work`` in a thread; ``then`` gets its future in :meth:`settle`."""
        self.running += 1
        self._pool.submit(work).add_done_callback(lambda future: self._finish(future, then))

    def settle(self) -> None:
        """Hand over every result that has come in."""
        with suppress(BlockingIOError):
            os.read(self._wake_read, _MANY)
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
