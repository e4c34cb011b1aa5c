"""Slices in, masks out: a bundle deployed on boards, ready to segment scan after scan."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from edgeseg import __version__
from edgeseg.boards import BoardEntry, LinkEntry
from edgeseg.bundle import Bundle
from edgeseg.errors import VolumeError
from edgeseg.manifest import Manifest
from edgeseg.placement import Placement
from edgeseg.planning.objective import Objective
from edgeseg.planning.plan import plan
from edgeseg.scan import Slices, read_scan
from edgeseg.slices import Mask, SliceGeometry, to_model, to_native
from edgeseg_runtime.coordinator import Coordinator, Image, Result
from edgeseg_runtime.local import LocalWorkers, this_machine
from edgeseg_runtime.planning import problem_for
from edgeseg_runtime.report import (
    RunReport,
    board_reports,
    lane_reports,
    piece_reports,
    planned_fares,
    since,
)
from edgeseg_runtime.wire import Pong

PLANNING_SECONDS = 1.0
"""How long a better placement is looked for at most."""


@dataclass(frozen=True)
class Segmentation:
    """The masks of a scan, one a slice in its own grid, and how the run went."""

    masks: tuple[Mask, ...]
    report: RunReport

    @property
    def mask(self) -> Mask:
        """The masks as one array (slices, rows, columns); all slices must have one size."""
        stacked: Mask = np.stack(self.masks)
        return stacked


class Segmenter:
    """A context manager that holds a bundle ready on boards.

    Parameters
    ----------
    bundle
        Path of a ``.edgeseg`` file.
    boards
        Endpoints or entries of running workers; without any, workers are started on this
        machine for as long as the block lasts.
    local
        How many workers to start on this machine (by default from its cores and memory).
    memory_limit
        Bytes that each of them may take (by default a share of what is available).
    coordinator
        The link of this machine, for planning (by default what loopback or gigabit brings).
    objective
        What is planned for: ``throughput``, or ``latency`` or ``memory`` with one slice at a time.

    Raises
    ------
    BundleError, BoardError, PlacementError
        On entering, if the bundle can't be read, a board not be reached, or nothing fits.

    Examples
    --------
    >>> with Segmenter("kidney.edgeseg") as segmenter:  # doctest: +SKIP
    ...     mask = segmenter.segment("ct.nii.gz").mask
    """

    def __init__(  # noqa: PLR0913 - one keyword a choice
        self,
        bundle: Path | str,
        boards: Sequence[str | BoardEntry] = (),
        *,
        local: int | None = None,
        memory_limit: int | None = None,
        coordinator: LinkEntry | None = None,
        objective: Objective = "throughput",
    ) -> None:
        self._bundle = Bundle(Path(bundle))
        self._entries = tuple(_entry(number, board) for number, board in enumerate(boards, start=1))
        self._local = local
        self._memory_limit = memory_limit
        self._link = coordinator or LinkEntry()
        self._objective: Objective = objective
        self._stack = ExitStack()

    @property
    def manifest(self) -> Manifest:
        """The manifest of the bundle."""
        return self._bundle.manifest

    @property
    def placement(self) -> Placement:
        """Which board runs which piece."""
        return self._plan.placement

    def __enter__(self) -> Self:
        """Start or reach the boards, place the pieces and load them."""
        self._bundle.check()
        with ExitStack() as stack:
            entries = self._entries or stack.enter_context(
                LocalWorkers(this_machine(self._local, self._memory_limit))
            )
            self._coordinator = Coordinator(self._bundle, entries)
            stack.callback(self._coordinator.close)
            self._problem = problem_for(
                self.manifest, self._coordinator.boards, entries, self._link
            )
            self._plan = plan(self._problem, self._objective, PLANNING_SECONDS)
            self._coordinator.deploy(self.placement)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the boards; stop the workers that were started here."""
        self._stack.close()

    def segment(
        self,
        scan: Slices | Path | str | NDArray[Any],
        *,
        spacing_mm: tuple[float, float] | None = None,
        progress: Callable[[], None] | None = None,
    ) -> Segmentation:
        """Segment a scan.

        Parameters
        ----------
        scan
            An open scan, the path of one, or HU as an array (rows, columns) or
            (slices, rows, columns): rows anterior to posterior, columns right to left.
        spacing_mm
            Row and column spacing of an array's pixels; unknown if left out.
        progress
            Called after each slice.

        Raises
        ------
        VolumeError
            If the scan can't be used.
        BoardError
            If a board fails or vanishes.
        """
        slices = _as_slices(scan, spacing_mm)
        masks: dict[int, Mask] = {}
        self._coordinator.wake()
        before, returned = self._coordinator.pongs(), self._coordinator.received_bytes
        start = time.perf_counter()
        for result in self._coordinator.stream(self._images(slices)):
            masks[result.index] = self._native(result, slices.geometry(result.index))
            if progress is not None:
                progress()
        seconds = time.perf_counter() - start
        ordered = tuple(masks[index] for index in range(len(slices)))
        returned = self._coordinator.received_bytes - returned
        after = self._coordinator.pongs()
        pongs = {name: since(before[name], pong) for name, pong in after.items()}
        return Segmentation(ordered, self._report(len(slices), seconds, pongs, returned))

    def _images(self, slices: Slices) -> Iterator[Image]:
        preprocessing = self.manifest.preprocessing
        for index in range(len(slices)):
            geometry = slices.geometry(index)
            grey = to_model(slices.slice(index), geometry, preprocessing, windowed=slices.windowed)
            yield Image(index, geometry, np.ascontiguousarray(grey))

    def _native(self, result: Result, geometry: SliceGeometry) -> Mask:
        if result.kind == "mask":
            return result.array
        return to_native(
            result.array, geometry, self.manifest.preprocessing, self.manifest.decoding
        )

    def _report(
        self, slices: int, seconds: float, pongs: Mapping[str, Pong], returned_bytes: int
    ) -> RunReport:
        does, speaker = self._plan.prediction, self._coordinator
        planned = planned_fares(self._problem, does, slices)
        boards = board_reports(speaker.boards, self.placement, planned, pongs, speaker.versions())
        return RunReport(
            edgeseg=__version__,
            model=self.manifest.model_name,
            model_sha256=self.manifest.model_sha256,
            slices=slices,
            seconds=seconds,
            slices_per_second=slices / seconds,
            planned_slices_per_second=does.rate,
            planned_from_estimates=self._problem.estimated,
            wire_bytes=returned_bytes + sum(board.received_bytes for board in boards),
            boards=boards,
            lanes=lane_reports(self.placement),
            pieces=piece_reports(pongs),
        )


@dataclass(frozen=True)
class _Array:
    """An array of HU as slices."""

    voxels: NDArray[Any]
    spacing_mm: tuple[float, float] | None
    windowed: bool = False

    def __len__(self) -> int:
        return len(self.voxels)

    def slice(self, index: int) -> NDArray[Any]:
        image: NDArray[Any] = self.voxels[index]
        return image

    def geometry(self, _index: int) -> SliceGeometry:
        rows, cols = self.voxels.shape[1:]
        return SliceGeometry(rows, cols, *(self.spacing_mm or (None, None)))


def _entry(number: int, board: str | BoardEntry) -> BoardEntry:
    return board if isinstance(board, BoardEntry) else BoardEntry(f"board-{number}", board)


def _as_slices(
    scan: Slices | Path | str | NDArray[Any], spacing_mm: tuple[float, float] | None
) -> Slices:
    if isinstance(scan, (str, Path)):
        return read_scan(Path(scan))
    if not isinstance(scan, np.ndarray):
        return scan
    voxels = scan[np.newaxis] if scan.ndim == 2 else scan
    if voxels.ndim != 3 or not voxels.size or voxels.dtype.kind not in "iuf":
        raise VolumeError(
            f"an array of shape {scan.shape} and type {scan.dtype} is no scan; give numbers as "
            "(rows, cols) or (slices, rows, cols)"
        )
    if not np.isfinite(voxels).all():
        raise VolumeError("the array holds NaN or infinite values; replace them, by -1024 for air")
    return _Array(voxels, spacing_mm)
