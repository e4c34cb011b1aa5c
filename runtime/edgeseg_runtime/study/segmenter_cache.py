"""What a Dask worker keeps between volumes: a segmenter that is ready, for one volume at a time."""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from edgeseg.boards.boards_file import read_boards
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import BoardError
from edgeseg_runtime.local_workers import LocalWorkers, WorkerShare
from edgeseg_runtime.messaging.keys import own_keys
from edgeseg_runtime.segmentation.segmenter import Segmenter
from edgeseg_runtime.study.record import StudySettings

BOARDS_VARIABLE = "EDGESEG_BOARDS"
"""Environment of a group's head: the path of its boards file."""

KEPT_SECONDS = 60.0
"""How long boards are held after the last volume, if nobody says that it was the last."""


class SegmenterCache:
    """Holds the segmenter of one process.

    It is opened with the first volume, and anew for another bundle or after an error; volumes
    take turns.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._stack = ExitStack()
        self._ready: tuple[StudySettings, Segmenter] | None = None
        self._timer: threading.Timer | None = None

    @contextmanager
    def segmenter(self, setup: StudySettings) -> Iterator[Segmenter]:
        """Lend the segmenter.

        Raises
        ------
        BundleError, BoardError, PlacementError, UsageError
            If it can't be made ready.
        """
        with self._turn:
            self._stop_timer()
            try:
                yield self._open(setup)
            except BaseException:
                self._close()
                raise
            self._timer = threading.Timer(KEPT_SECONDS, self.release)
            self._timer.daemon = True
            self._timer.start()

    def release(self) -> None:
        """Release the boards, unless a volume has its turn."""
        if self._turn.acquire(blocking=False):
            try:
                self._stop_timer()
                self._close()
            finally:
                self._turn.release()

    def _open(self, setup: StudySettings) -> Segmenter:
        if self._ready is None or self._ready[0] != setup:
            self._close()
            self._ready = setup, self._stack.enter_context(self._made(setup))
        return self._ready[1]

    @contextmanager
    def _made(self, setup: StudySettings) -> Iterator[Segmenter]:
        boards = os.environ.get(BOARDS_VARIABLE)
        with _of_group(setup, Path(boards)) if boards else _of_worker(setup) as segmenter:
            yield segmenter

    def _close(self) -> None:
        self._ready = None
        self._stack.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _of_group(setup: StudySettings, boards: Path) -> Segmenter:
    """Segment on the boards of a file."""
    file = read_boards(boards)
    segmenter = Segmenter(
        setup.bundle,
        file.board,
        coordinator=file.coordinator,
        objective=setup.objective,
        keys=own_keys(Path(setup.key) if setup.key else None),
        patience=setup.patience,
    )
    _check_same(segmenter.bundle, setup)
    return segmenter


@contextmanager
def _of_worker(setup: StudySettings) -> Iterator[Segmenter]:
    """Segment with the Dask worker's cores and half of its memory; the volume takes the other."""
    from distributed import get_worker

    worker = get_worker()
    memory = worker.memory_manager.memory_limit or psutil.virtual_memory().available
    share = WorkerShare(1, worker.state.nthreads, memory // 2)
    _check_same(Bundle(Path(setup.bundle)), setup)
    with (
        LocalWorkers(share) as boards,
        # Nobody starts them again.
        Segmenter(setup.bundle, boards, objective=setup.objective, patience=0.0) as segmenter,
    ):
        yield segmenter


def _check_same(bundle: Bundle, setup: StudySettings) -> None:
    if bundle.sha256 != setup.manifest_sha256:
        raise BoardError(
            f"{setup.bundle} is another bundle on {os.uname().nodename}; give all machines of a "
            "study the same"
        )


station = SegmenterCache()
"""That of this process."""
