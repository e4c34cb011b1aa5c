"""Tensors that wait on disk for the steps that read them: bounded, private, never left behind."""

import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import BoardError, field_name
from edgeseg.files.cache import cache_folder
from edgeseg.text.units import format_bytes
from edgeseg_runtime.board.memory.held import Spooled

_PREFIX = "edgeseg-spool-"


class Spool:
    """A folder of tensors, for one deployment; safe in any thread.

    The folder is locked while its process lives, so that :func:`sweep` recognizes the folder of
    a process that was killed. Tensors are read, not mapped: a mapped page counts as memory.

    Parameters
    ----------
    root
        Where the folder is made, of mode 0700.
    limit
        Bytes that may be on disk at once.

    Raises
    ------
    BoardError
        If the disk has less than that free, or the folder can't be made.
    """

    def __init__(self, root: Path, limit: int) -> None:
        free = shutil.disk_usage(root).free
        if limit > free:
            raise BoardError(
                f"tensors between shifts take {format_bytes(limit)} of disk, {format_bytes(free)} "
                f"are free in {root}; free some, or give the worker a "
                f"{field_name('spool')} folder elsewhere"
            )
        self._limit = limit
        self._mutex = threading.Lock()
        self._readers: dict[Path, int] = {}
        self._numbers = count()
        self._closed = False
        self.held_bytes = 0
        try:
            with _locked(root):
                self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
                self._lock = os.open(self.folder, os.O_RDONLY)
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _unusable(root, error) from None

    def put(self, array: NDArray[Any], readers: int) -> Spooled:
        """Write a tensor to disk.

        Parameters
        ----------
        array
            The tensor, of any shape and type.
        readers
            How many times it will be taken.

        Raises
        ------
        BoardError
            If that is more than may be on disk, or it can't be written.
        """
        with self._mutex:
            if self._closed:
                raise BoardError("this deployment has ended")
            if self.held_bytes + array.nbytes > self._limit:
                raise BoardError(
                    f"{format_bytes(array.nbytes)} more do not fit into the spool: "
                    f"{format_bytes(self.held_bytes)} of {format_bytes(self._limit)} are taken"
                )
            path = self.folder / str(next(self._numbers))
            self.held_bytes += array.nbytes
            self._readers[path] = readers
        try:
            array.tofile(path)
        except OSError as error:
            self._drop(path, array.nbytes)
            raise _unusable(self.folder, error) from None
        return Spooled(path, array.shape, array.dtype.name)

    def take(self, tensor: Spooled) -> NDArray[Any]:
        """Return a tensor; the last reader removes it from disk.

        Raises
        ------
        BoardError
            If it is no longer there.
        """
        try:
            array: NDArray[Any] = np.fromfile(tensor.path, tensor.dtype).reshape(tensor.shape)
        except (OSError, ValueError) as error:
            raise _unusable(self.folder, error) from None
        with self._mutex:
            self._readers[tensor.path] -= 1
            read_by_all = not self._readers[tensor.path]
        if read_by_all:
            self._drop(tensor.path, array.nbytes)
        return array

    def close(self) -> None:
        """Remove everything, in a thread: a large file takes a while."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
        threading.Thread(target=self._remove, name="edgeseg-spool").start()

    def _remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)

    def _drop(self, path: Path, count: int) -> None:
        path.unlink(missing_ok=True)
        with self._mutex:
            del self._readers[path]
            self.held_bytes -= count


def spool_root(folder: str | None) -> Path:
    """Return the folder that spools are made in.

    Parameters
    ----------
    folder
        That of the configuration; by default one in the cache.

    Raises
    ------
    BoardError
        If it can't be made.
    """
    if folder is None:
        return cache_folder("spool")
    root = Path(folder)
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(root, error) from None
    return root


def sweep(root: Path) -> None:
    """Remove the spools of processes that were killed.

    Raises
    ------
    BoardError
        If the folder can't be used.
    """
    try:
        with _locked(root):
            for folder in root.glob(f"{_PREFIX}*"):
                if folder.is_dir() and not folder.is_symlink() and _abandoned(folder):
                    shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise _unusable(root, error) from None


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Hold the lock under which folders are made and removed: none is seen before it is locked."""
    lock = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _abandoned(folder: Path) -> bool:
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def _unusable(folder: Path, error: Exception) -> BoardError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return BoardError(
        f"can't spool tensors in {folder}: {reason.lower()}; free some space, or give the worker "
        f"a {field_name('spool')} folder elsewhere"
    )
