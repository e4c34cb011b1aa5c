"""Keeps a Dask worker's segmenter ready between volumes, for one volume at a time."""

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
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
"""Environment variable of a group's head: the path of its boards file."""

KEPT_SECONDS = 60.0
"""How long boards are held after a volume, unless the study says that it was the last."""


class SegmenterCache:
    """The segmenter of one process.

    It is opened for the first volume, and opened again for other settings or after an error;
    volumes take turns.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._stack = ExitStack()
        self._open_segmenter: tuple[StudySettings, Segmenter] | None = None
        self._timer: threading.Timer | None = None

    @contextmanager
    def segmenter(self, settings: StudySettings) -> Iterator[Segmenter]:
        """Lend the segmenter for one volume.

        Raises
        ------
        BundleError, BoardError, PlacementError, UsageError
            If it can't be made ready.
        """
        with self._turn:
            self._stop_timer()
            try:
                yield self._open(settings)
            except BaseException:
                self._close()
                raise
            self._timer = threading.Timer(KEPT_SECONDS, self.release)
            self._timer.daemon = True
            self._timer.start()

    def release(self) -> None:
        """Release the boards, unless a volume is being segmented."""
        if self._turn.acquire(blocking=False):
            try:
                self._stop_timer()
                self._close()
            finally:
                self._turn.release()

    def _open(self, settings: StudySettings) -> Segmenter:
        if self._open_segmenter is None or self._open_segmenter[0] != settings:
            self._close()
            self._open_segmenter = settings, self._stack.enter_context(_segmenter_for(settings))
        return self._open_segmenter[1]

    def _close(self) -> None:
        self._open_segmenter = None
        self._stack.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _segmenter_for(settings: StudySettings) -> AbstractContextManager[Segmenter]:
    boards = os.environ.get(BOARDS_VARIABLE)
    return _on_group(settings, Path(boards)) if boards else _on_worker(settings)


def _on_group(settings: StudySettings, boards: Path) -> Segmenter:
    """Return a segmenter on the boards of a file."""
    file = read_boards(boards)
    segmenter = Segmenter(
        settings.bundle,
        file.board,
        coordinator=file.coordinator,
        objective=settings.objective,
        keys=own_keys(Path(settings.key) if settings.key else None),
        patience=settings.patience,
    )
    _check_same(segmenter.bundle, settings)
    return segmenter


@contextmanager
def _on_worker(settings: StudySettings) -> Iterator[Segmenter]:
    """Yield a segmenter of the Dask worker's cores and half of its memory; the volume has half."""
    from distributed import get_worker

    worker = get_worker()
    memory = worker.memory_manager.memory_limit or psutil.virtual_memory().available
    share = WorkerShare(1, worker.state.nthreads, memory // 2)
    _check_same(Bundle(Path(settings.bundle)), settings)
    with (
        LocalWorkers(share) as boards,
        # Workers that have ended are not started again: there is nothing to wait for.
        Segmenter(settings.bundle, boards, objective=settings.objective, patience=0.0) as segmenter,
    ):
        yield segmenter


def _check_same(bundle: Bundle, settings: StudySettings) -> None:
    if bundle.sha256 != settings.manifest_sha256:
        raise BoardError(
            f"{settings.bundle} is another bundle on {os.uname().nodename}; give all machines of a "
            "study the same"
        )


segmenter_cache = SegmenterCache()
"""The cache of this process."""
