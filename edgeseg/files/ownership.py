"""Files and folders of a run that must not outlive it: marked by a lock, swept once it is free."""

import fcntl
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SCRATCH = "edgeseg-run-"
_SCRATCH_NAME = re.compile(rf"{_SCRATCH}[0-9a-f]{{12}}")


def make_claimed(
    folder: Path, name: re.Pattern[str], draw: Callable[[], str], make: Callable[[Path], None]
) -> tuple[Path, int]:
    """Make a file or folder that is locked; those that killed processes have left go first.

    Parameters
    ----------
    folder
        Where it lies.
    name
        What is swept: whole names.
    draw
        Returns a new name.
    make
        Makes what has that name, for its owner alone.

    Returns
    -------
    tuple
        Its path, and a descriptor that is to be closed.

    Raises
    ------
    OSError
        If it can't be made.
    """
    sweep(folder, name)
    while True:
        path = folder / draw()
        make(path)
        lock = claim(path)
        if lock is not None:
            return path, lock


def claim(path: Path) -> int | None:
    """Lock a file or folder that was just made, for as long as the descriptor is open.

    Returns
    -------
    int or None
        A descriptor to be closed; None where somebody has swept the path before it was locked.

    Raises
    ------
    OSError
        If it can't be opened. A file system without locks is no error: it is never swept.
    """
    try:
        lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX)
    with suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(lock), path.lstat()):
            return lock
    os.close(lock)
    return None


def sweep(folder: Path, name: re.Pattern[str]) -> None:
    """Remove what processes that were killed have left in a folder.

    That is this user's own, nobody else may read it, its whole name matches, and its lock is free.
    What can't be removed is left alone.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if name.fullmatch(entry.name):
                with suppress(OSError):
                    _remove_abandoned(Path(entry.path))


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a new folder for this user alone, among temporary files; it is gone after the block.

    Those of processes that were killed are removed first.

    Raises
    ------
    OSError
        If it can't be made.
    """
    folder, lock = make_claimed(
        Path(tempfile.gettempdir()),
        _SCRATCH_NAME,
        lambda: f"{_SCRATCH}{secrets.token_hex(6)}",
        lambda path: path.mkdir(0o700),
    )
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_abandoned(path: Path) -> None:
    lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(lock)
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            return
        # Raises where its process lives.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    finally:
        os.close(lock)
