"""Workers on this machine: shared out fairly, and never left behind."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.errors import BoardError
from edgeseg_runtime.local_workers import (
    SMALLEST_SHARE,
    LocalWorkers,
    WorkerShare,
    share_machine,
    this_machine,
)

pytestmark = pytest.mark.worker

_GIB = 2**30
_PARENT = """
import sys
from edgeseg_runtime.local_workers import LocalWorkers, WorkerShare
workers = LocalWorkers(WorkerShare(2, 1, 2**30))
with workers:
    print(*workers.pids, flush=True)
    sys.stdin.read()
"""


@given(
    st.integers(1, 64),
    st.integers(0, 256 * _GIB),
    st.none() | st.integers(1, 16),
    st.none() | st.integers(1, 8 * _GIB),
)
def test_a_share_keeps_to_what_is_there(
    cores: int, available: int, count: int | None, limit: int | None
) -> None:
    share = share_machine(cores, available, count, limit)
    assert share.count == (count or share.count) >= 1
    assert share.memory_limit == (limit or share.memory_limit)
    assert share.cores >= 1
    assert share.count * share.cores <= max(cores, share.count)
    if limit is None:
        assert share.count * share.memory_limit <= available
    if count is None:
        assert share.count <= cores
        assert share.count == 1 or share.count * (limit or SMALLEST_SHARE) <= available


def test_a_machine_with_room_has_a_worker_a_core() -> None:
    assert share_machine(4, 10 * _GIB, None, None) == WorkerShare(4, 1, 2 * _GIB)
    assert share_machine(4, _GIB, None, None).count == 2
    assert share_machine(8, 10 * _GIB, 2, None) == WorkerShare(2, 4, 4 * _GIB)


def test_this_machine_has_something_to_share() -> None:
    share = this_machine(2, None)
    assert share.count == 2
    assert 0 < share.memory_limit < psutil.virtual_memory().total


def test_workers_listen_within_the_block_and_are_gone_after_it() -> None:
    workers = LocalWorkers(WorkerShare(2, 1, _GIB))
    with workers as entries:
        assert [entry.name for entry in entries] == ["local-1", "local-2"]
        assert len({entry.endpoint for entry in entries}) == 2
        pids = workers.pids
        assert all(psutil.pid_exists(pid) for pid in pids)
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_nobody_else_on_this_machine_can_reach_them() -> None:
    with LocalWorkers(WorkerShare(1, 1, _GIB)) as (entry,):
        folder = Path(entry.address.removeprefix("ipc://")).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()


def test_a_worker_that_does_not_start_says_why() -> None:
    with pytest.raises(BoardError, match=r"did not start: a memory limit of 1\.0 MiB is less than"):
        LocalWorkers(WorkerShare(2, 1, 2**20)).__enter__()


def test_workers_end_when_their_parent_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        os.kill(parent.pid, signal.SIGKILL)
        assert _gone_within(pids, 3.0)


def _gone_within(pids: list[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(_runs(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(_runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    """An orphan that nobody has collected yet counts as ended."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
