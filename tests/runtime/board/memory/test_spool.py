"""Tensors on disk: bounded, private, and never left behind."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeseg.errors import BoardError
from edgeseg_runtime.board.memory.spool import Spool, spool_root, sweep

_MIB = 2**20


@pytest.fixture
def array() -> NDArray[np.float32]:
    """A tensor of one MiB."""
    return np.random.default_rng(0).random((1, 256, 256, 4), np.float32)


def _gone(folder: Path) -> bool:
    deadline = time.monotonic() + 10
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not folder.exists()


def test_what_is_put_is_taken_and_gone_with_its_last_reader(
    tmp_path: Path, array: NDArray[np.float32]
) -> None:
    spool = Spool(tmp_path, 2 * _MIB)
    spooled = spool.put(array, readers=2)
    assert (spooled.shape, spooled.dtype, spooled.nbytes) == (array.shape, "float32", 0)
    np.testing.assert_array_equal(spool.take(spooled), array)
    assert (spool.held_bytes, spooled.path.exists()) == (_MIB, True)
    np.testing.assert_array_equal(spool.take(spooled), array)
    assert (spool.held_bytes, spooled.path.exists()) == (0, False)
    with pytest.raises(BoardError, match="can't spool tensors"):
        spool.take(spooled)
    spool.close()
    assert _gone(spool.folder)


def test_its_folder_is_for_its_owner_alone(tmp_path: Path, array: NDArray[np.float32]) -> None:
    root = spool_root(str(tmp_path / "new" / "spool"))
    spool = Spool(root, _MIB)
    spool.put(array, readers=1)
    assert root.stat().st_mode & 0o777 == 0o700
    assert spool.folder.stat().st_mode & 0o777 == 0o700
    spool.close()
    spool.close()
    assert _gone(spool.folder)


def test_no_more_than_was_promised_is_on_disk(tmp_path: Path, array: NDArray[np.float32]) -> None:
    spool = Spool(tmp_path, 2 * _MIB)
    spooled = [spool.put(array, readers=1) for _ in range(2)]
    with pytest.raises(BoardError, match=r"1.0 MiB more do not fit .* 2.0 MiB of 2.0 MiB"):
        spool.put(array, readers=1)
    spool.take(spooled[0])
    spool.put(array, readers=1)
    spool.close()


def test_more_than_the_disk_has_is_refused_with_numbers(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match=r"take 1048576 GiB of disk, .* are free in .*spool"):
        Spool(tmp_path, 2**50)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_is_said(tmp_path: Path, array: NDArray[np.float32]) -> None:
    """The largest file that this process may write stands for a disk that fills up meanwhile."""
    code = (
        "import resource, sys, numpy as np; from pathlib import Path;"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from edgeseg_runtime.board.memory.spool import Spool;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "spool = Spool(Path(sys.argv[1]), 2**20);\n"
        "try: spool.put(np.zeros(2000, np.float32), 1)\n"
        "except Exception as error: print(type(error).__name__, error, spool.held_bytes)\n"
        "print(len(list(spool.folder.iterdir())))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=True, text=True
    )
    first, left = process.stdout.splitlines()
    assert first.startswith("BoardError can't spool tensors in ")
    assert "free some space" in first
    assert first.endswith(" 0")
    assert left == "0"


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/none")):
        with pytest.raises(BoardError, match="can't spool tensors in"):
            spool_root(str(folder))


def test_left_overs_are_swept_and_spools_in_use_are_not(
    tmp_path: Path, array: NDArray[np.float32]
) -> None:
    """Two workers share the folder; one that was killed left something behind."""
    code = (
        "import os, sys, numpy as np; from pathlib import Path;"
        "from edgeseg_runtime.board.memory.spool import Spool;"
        "Spool(Path(sys.argv[1]), 2**20).put(np.zeros(9), 1); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -9
    (left,) = tmp_path.iterdir()
    assert len(list(left.iterdir())) == 1
    mine = tmp_path / "of-somebody-else"
    mine.mkdir()
    living = Spool(tmp_path, 2 * _MIB)
    spooled = living.put(array, readers=1)
    sweep(tmp_path)
    assert not left.exists()
    assert mine.exists()
    np.testing.assert_array_equal(living.take(spooled), array)
    living.close()


def test_a_spool_is_never_swept_while_it_is_made(tmp_path: Path) -> None:
    """Whoever holds the folder's lock keeps others from making spools, and from sweeping."""
    lock = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    spools: list[Spool] = []
    thread = threading.Thread(target=lambda: spools.append(Spool(tmp_path, 1)))
    thread.start()
    thread.join(0.2)
    assert not spools
    assert list(tmp_path.iterdir()) == []
    os.close(lock)
    thread.join()
    spools[0].close()


def test_nothing_is_put_into_a_spool_that_was_closed(
    tmp_path: Path, array: NDArray[np.float32]
) -> None:
    spool = Spool(tmp_path, 2 * _MIB)
    spool.close()
    with pytest.raises(BoardError, match="has ended"):
        spool.put(array, readers=1)
