"""Keeps what native code writes off a standard stream while a block runs."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

STANDARD_OUTPUT = 1
STANDARD_ERROR = 2

_one_at_a_time = Lock()


@contextmanager
def muted(descriptor: int) -> Iterator[None]:
    """Drop what is written to a file descriptor, by any thread, while the block runs.

    C's own buffers are emptied at both ends: what native code wrote before still comes through,
    and what it writes in the block does not come after it.

    Parameters
    ----------
    descriptor
        ``STANDARD_OUTPUT`` or ``STANDARD_ERROR``.
    """
    with _one_at_a_time:
        _empty_native_buffers()
        copy, null = os.dup(descriptor), os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, descriptor)
            yield
        finally:
            _empty_native_buffers()
            os.dup2(copy, descriptor)
            os.close(copy)
            os.close(null)


def _empty_native_buffers() -> None:
    ctypes.CDLL(None).fflush(None)
