"""A progress of slices that does something in the middle of a scan."""

import time
from collections.abc import Callable
from itertools import count


def at_slice(number: int, act: Callable[[], object], pause: float = 0.0) -> Callable[[], None]:
    """Return what acts once that many slices are done, and slows each by some seconds."""
    done = count(1)

    def progress() -> None:
        if next(done) == number:
            act()
        time.sleep(pause)

    return progress
