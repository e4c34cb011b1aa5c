"""Bundles larger than a board: pieces take turns in memory, and the masks are the same."""

import os
import resource
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from limits import limit_in_shifts
from numpy.typing import NDArray
from processes import RunningWorker, Workers

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import BoardError, EdgesegError
from edgeseg_runtime import Segmenter


@pytest.fixture(scope="module")
def limit(tiny_bundle: Path, base_memory: int) -> int:
    """Bytes with which a worker holds one piece, hardly two."""
    return limit_in_shifts(Bundle(tiny_bundle).manifest, base_memory)


@pytest.fixture(scope="module")
def scan(hounsfield: NDArray[np.int16]) -> NDArray[np.int16]:
    """More slices than a few, all unlike."""
    return np.concatenate([hounsfield, hounsfield[:, ::-1], hounsfield[:, :, ::-1]])


@pytest.fixture(scope="module")
def expected(uncut_bundle: Path, scan: NDArray[np.int16]) -> Any:
    with Segmenter(uncut_bundle, local=1) as segmenter:
        return segmenter.segment(scan).mask


def _spools(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.exists() else []


def _empty(folder: Path) -> bool:
    deadline = time.monotonic() + 10
    while _spools(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not _spools(folder)


@pytest.mark.parametrize("count", [1, 2])
def test_boards_too_small_for_all_of_it_give_the_same_masks(  # noqa: PLR0917 fixtures
    workers: Workers,
    tiny_bundle: Path,
    tmp_path: Path,
    scan: NDArray[np.int16],
    expected: Any,
    limit: int,
    count: int,
) -> None:
    spool = tmp_path / "spool"
    started = [workers.start("--spool", spool, limit=limit) for _ in range(count)]
    with Segmenter(tiny_bundle, [worker.endpoint for worker in started]) as segmenter:
        segmentation = segmenter.segment(scan)
        folders = _spools(spool)
        assert len(folders) == count
        assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in folders)
        assert [list(folder.iterdir()) for folder in folders] == [[]] * count
        np.testing.assert_array_equal(segmenter.segment(scan).mask, expected)
    np.testing.assert_array_equal(segmentation.mask, expected)
    assert _empty(spool)
    lanes = segmentation.report.lanes
    assert [len(lane.shifts) > 1 for lane in lanes] == [True] * count
    assert all(lane.slower > 1 for lane in lanes)
    for board in segmentation.report.boards:
        assert board.peak_memory_bytes <= board.memory_limit_bytes
    for piece in segmentation.report.pieces:
        assert piece.runs > 0


def test_cores_share_the_slices_of_a_shift(
    workers: Workers,
    tiny_bundle: Path,
    base_memory: int,
    scan: NDArray[np.int16],
    expected: Any,
) -> None:
    limit = limit_in_shifts(Bundle(tiny_bundle).manifest, base_memory, cores=2)
    with Segmenter(tiny_bundle, [workers.start(limit=limit, cores=2).endpoint]) as segmenter:
        segmentation = segmenter.segment(scan)
    np.testing.assert_array_equal(segmentation.mask, expected)
    assert segmentation.report.lanes[0].shifts


def test_one_slice_at_a_time_goes_through_all_shifts(
    workers: Workers,
    tiny_bundle: Path,
    scan: NDArray[np.int16],
    expected: Any,
    limit: int,
) -> None:
    endpoint = workers.start(limit=limit).endpoint
    with Segmenter(tiny_bundle, [endpoint], objective="latency") as segmenter:
        segmentation = segmenter.segment(scan[:2])
    np.testing.assert_array_equal(segmentation.mask, expected[:2])
    assert segmentation.report.lanes[0].window == 1


def test_a_disk_that_fills_up_ends_the_run_with_a_clear_word(
    workers: Workers, tiny_bundle: Path, scan: NDArray[np.int16], limit: int
) -> None:
    """The largest file that the worker may write stands for a disk without room."""
    worker = workers.start(limit=limit)
    with Segmenter(tiny_bundle, [worker.endpoint], patience=0) as segmenter:
        resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
        with pytest.raises((BoardError, EdgesegError), match=r"can't spool tensors in .* free"):
            segmenter.segment(scan)


def test_what_a_killed_worker_left_is_removed_when_the_next_one_starts(
    workers: Workers, tiny_bundle: Path, tmp_path: Path, scan: NDArray[np.int16], limit: int
) -> None:
    spool = tmp_path / "spool"
    worker = workers.start("--spool", spool, limit=limit)
    _kill_in_the_middle(worker, tiny_bundle, scan, spool)
    assert _spools(spool)
    workers.start("--spool", spool, limit=limit)
    assert _empty(spool)


def _kill_in_the_middle(
    worker: RunningWorker, bundle: Path, scan: NDArray[np.int16], spool: Path
) -> None:
    """Kill a worker while tensors wait on its disk."""
    long_scan = np.concatenate([scan] * 30)

    def segment() -> None:
        with (
            pytest.raises(EdgesegError),
            Segmenter(bundle, [worker.endpoint], patience=0) as segmenter,
        ):
            segmenter.segment(long_scan)

    thread = threading.Thread(target=segment)
    thread.start()
    deadline = time.monotonic() + 30
    while not any(list(folder.iterdir()) for folder in _spools(spool)):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.kill(worker.process.pid, signal.SIGKILL)
    thread.join()
