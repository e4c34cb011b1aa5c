"""A bundle deployed on boards, ready to segment scan after scan: slices in, masks out."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from edgeseg.boards.boards_file import BoardEntry, LinkEntry
from edgeseg.boards.placement import Placement
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.manifest import Manifest
from edgeseg.bundle.rules import Rule, Smooth
from edgeseg.codecs.names import Wire
from edgeseg.errors import UsageError
from edgeseg.imaging.hounsfield import notes_for_model
from edgeseg.imaging.scan import Slices
from edgeseg.imaging.slices import Mask, SliceGeometry, shrinking, to_native
from edgeseg.imaging.tiles import Tiling, tiling_of
from edgeseg.planning.outcome.objective import Objective
from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.problem import Problem
from edgeseg.postprocess.apply import postprocess
from edgeseg.postprocess.report import PostprocessReport
from edgeseg.postprocess.rules_file import check_rules
from edgeseg.postprocess.smoothing import smoothed
from edgeseg.postprocess.voxel_size import voxel_size
from edgeseg.progress import Tell
from edgeseg_runtime.coordination.backlog import Result
from edgeseg_runtime.coordination.coordinator import Coordinator
from edgeseg_runtime.coordination.placing import Placer
from edgeseg_runtime.coordination.run import FailoverRun
from edgeseg_runtime.local_workers import LocalWorkers, this_machine
from edgeseg_runtime.messaging.keys import KeyPair
from edgeseg_runtime.results.run_report import RunReport
from edgeseg_runtime.segmentation.arrays import as_slices
from edgeseg_runtime.segmentation.checkpoint import Checkpoint
from edgeseg_runtime.segmentation.prepared_slices import PreparedSlices
from edgeseg_runtime.segmentation.reporting import RunOutcome, report_run
from edgeseg_runtime.segmentation.tiled_slices import TiledSlices, TileSums, scan_tiling

_MANY_VOXELS = 10**8
"""Post-processing of more may take longer than two seconds, and is announced."""

PATIENCE_SECONDS = 60.0
"""How long to wait for boards without which nothing goes on, unless said otherwise."""


@dataclass(frozen=True)
class Segmentation:
    """The result of one scan.

    Attributes
    ----------
    masks
        Label values, one uint8 array (rows, columns) a slice, in the slice's own grid.
    report
        How the run went.
    probabilities
        Before post-processing, 8 bit (H, W, channels) a slice in the model's grid, or of the
        canvas of its tiles, if they were asked for.
    """

    masks: tuple[Mask, ...]
    report: RunReport
    probabilities: tuple[NDArray[np.uint8], ...] | None = None

    @property
    def mask(self) -> Mask:
        """The masks as one array (slices, rows, columns); all slices must have the same size."""
        stacked: Mask = np.stack(self.masks)
        return stacked


class Segmenter:
    """Holds a bundle ready on boards for the length of a ``with`` block.

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
        The link of this machine, for planning (by default loopback or gigabit Ethernet).
    objective
        What is planned for: ``throughput``, or ``latency`` or ``memory`` with one slice at a time.
    wire
        How tensors pass between boards: ``lossless``, ``half`` or ``int8`` for all of them,
        ``none``, or ``auto``: lossless where the plan does better by it.
    keys
        This machine's own, for boards that have a public key.
    patience
        Seconds to wait for boards to come back without which nothing goes on.
    tell
        Called with one line when a board is lost, comes back, or is left out.
    rules
        Post-processing in place of the bundle's; ``()`` for none. See
        :func:`edgeseg.postprocess.read_rules`.
    probabilities
        Keep the probabilities: the results of all slices then hold them beside the masks.

    Raises
    ------
    BundleError, BoardError, PlacementError
        If the bundle can't be read; on entering, if no board can be reached or nothing fits.
    UsageError
        On entering, if a board has no endpoint or one that is none, or it has a public key and
        there are no ``keys``.

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
        wire: Wire = "auto",
        keys: KeyPair | None = None,
        patience: float = PATIENCE_SECONDS,
        tell: Tell | None = None,
        rules: Sequence[Rule] | None = None,
        probabilities: bool = False,
    ) -> None:
        self._bundle = Bundle(Path(bundle))
        labels = self.manifest.labels
        self._rules = self.manifest.rules if rules is None else check_rules(rules, labels, "rules")
        self._gives_probabilities = probabilities
        self._entries = tuple(_entry(number, board) for number, board in enumerate(boards, start=1))
        self._local = local
        self._memory_limit = memory_limit
        self._link = coordinator or LinkEntry()
        self._keys = keys
        self._objective: Objective = objective
        self._wire: Wire = wire
        # A worker of this machine that has ended is started by nobody again.
        self._patience = patience if boards else 0.0
        self._tell = tell or (lambda _: None)
        self._stack = ExitStack()
        self._entered_run: FailoverRun | None = None

    @property
    def bundle(self) -> Bundle:
        """The bundle."""
        return self._bundle

    @property
    def manifest(self) -> Manifest:
        """The manifest of the bundle."""
        return self._bundle.manifest

    @property
    def keeps_probabilities(self) -> bool:
        """Whether the probabilities of all slices are held, and a checkpoint must have them."""
        smooths = any(isinstance(rule, Smooth) for rule in self._rules)
        return self._gives_probabilities or smooths

    @property
    def planned(self) -> tuple[Problem, Plan]:
        """The problem that was planned last, and its plan; they outlast the ``with`` block.

        Raises
        ------
        UsageError
            If the segmenter was not entered yet.
        """
        return self._run.problem, self._run.plan

    @property
    def placement(self) -> Placement:
        """Which board runs which piece.

        Raises
        ------
        UsageError
            If the segmenter was not entered yet.
        """
        return self._run.plan.placement

    def __enter__(self) -> Self:
        """Start or reach the boards, place the pieces and load them."""
        with ExitStack() as stack:
            run = self._connect(stack)
            run.deploy()
            self._entered_run = run
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

    def segment(  # noqa: PLR0913 - one keyword a choice
        self,
        scan: Slices | Path | str | NDArray[Any],
        *,
        spacing_mm: tuple[float, float] | None = None,
        slice_mm: float | None = None,
        progress: Callable[[], None] | None = None,
        checkpoint: Checkpoint | None = None,
        notes: tuple[str, ...] | None = None,
    ) -> Segmentation:
        """Segment a scan.

        When boards are lost, the others take over; masks and progress are the same.

        Parameters
        ----------
        scan
            An open scan, the path of one, or HU as an array (rows, columns) or
            (slices, rows, columns): slices from feet to head, rows anterior to posterior, columns
            right to left.
        spacing_mm
            Row and column spacing of an array's pixels; unknown if left out.
        slice_mm
            Distance of an array's slices; rules of post-processing need it.
        progress
            Called after each slice.
        checkpoint
            Keeps each slice as it comes, and holds those that need not be done again.
        notes
            What is known of the scan already; if None, it is looked at, and what is odd is told.

        Raises
        ------
        VolumeError
            If the scan can't be used.
        BoardError, PlacementError
            If boards are lost without which nothing goes on, and none comes back in time.
        UsageError
            If the segmenter was not entered yet.
        """
        run = self._run
        slices = as_slices(scan, spacing_mm, slice_mm)
        if notes is None:
            notes = notes_for_model(slices, self.manifest.preprocessing)
            for note in notes:
                self._tell(note)
        results = dict(checkpoint.slices) if checkpoint is not None else {}
        pending = [index for index in range(len(slices)) if index not in results]
        tiling = scan_tiling(slices, self.manifest)
        if len(tiling) > 1:
            self._tell(f"each slice is read in {len(tiling)} tiles")
        shrunk = shrinking(slices.geometry(0), self.manifest.preprocessing)
        if shrunk is not None:
            self._tell(shrunk)
            notes = (*notes, shrunk)
        received_before = self._coordinator.received_bytes
        start = last_mask_at = time.perf_counter()
        for result in self._results(run, slices, pending, tiling):
            kept = result.array if self.keeps_probabilities else self._mask(result, slices)
            results[result.index] = kept
            if checkpoint is not None:
                checkpoint.keep(result.index, kept)
            if progress is not None:
                progress()
            last_mask_at = time.perf_counter()
        ordered = [results[index] for index in range(len(slices))]
        received = self._coordinator.received_bytes - received_before
        seconds = last_mask_at - start
        outcome = RunOutcome(len(slices), len(pending), seconds, received, len(tiling))
        report = report_run(self.manifest, self._coordinator, run, outcome)
        masks, changes = self._postprocessed(ordered, slices)
        return Segmentation(
            tuple(masks),
            msgspec.structs.replace(report, postprocess=changes, scan_notes=notes),
            tuple(ordered) if self._gives_probabilities else None,
        )

    def plan(self) -> tuple[Problem, Plan]:
        """Return the problem and the plan of entering; boards are reached, but nothing is loaded.

        Raises
        ------
        BundleError, BoardError, PlacementError, UsageError
            As entering.
        """
        with ExitStack() as stack:
            run = self._connect(stack)
            run.plan_only()
            return run.problem, run.plan

    @property
    def _run(self) -> FailoverRun:
        if self._entered_run is None:
            raise UsageError(
                "this Segmenter holds no boards yet; enter it first: "
                "with Segmenter(...) as segmenter"
            )
        return self._entered_run

    def _connect(self, stack: ExitStack) -> FailoverRun:
        """Start or reach the boards; the stack releases them."""
        self._bundle.check()
        entries = self._entries or stack.enter_context(
            LocalWorkers(this_machine(self._local, self._memory_limit))
        )
        self._coordinator = Coordinator(
            self._bundle,
            entries,
            self._keys,
            tolerant=True,
            probabilities=self.keeps_probabilities or self.manifest.preprocessing.is_tiled,
        )
        stack.callback(self._coordinator.close)
        placer = Placer(self.manifest, entries, self._link, self._objective, self._wire)
        return FailoverRun(self._coordinator, placer, self._patience, self._tell)

    def _results(
        self, run: FailoverRun, slices: Slices, indices: Sequence[int], tiling: Tiling
    ) -> Iterator[Result]:
        """Yield each slice once it is back, those of several tiles as probabilities."""
        if len(tiling) == 1:
            yield from run.stream(PreparedSlices(slices, indices, self.manifest.preprocessing))
            return
        sums = TileSums(tiling, len(self.manifest.decoding.channels))
        for tile in run.stream(TiledSlices(slices, indices, tiling)):
            for index, probabilities in sums.add(tile):
                yield Result(index, "probabilities", probabilities)

    def _mask(self, result: Result, slices: Slices) -> Mask:
        """Return a result as a mask in the slice's own grid, unless a board has decoded it."""
        if result.kind == "mask":
            return result.array
        return self._decoded(result.array, slices.geometry(result.index))

    def _decoded(self, probabilities: NDArray[np.uint8], geometry: SliceGeometry) -> Mask:
        """Decode a slice's probabilities, which are those of its canvas."""
        tiling = tiling_of(geometry, self.manifest.preprocessing, self.manifest.decoding)
        return to_native(probabilities, geometry, tiling.canvas, tiling.decoding)

    def _postprocessed(
        self, results: Sequence[NDArray[np.uint8]], slices: Slices
    ) -> tuple[list[Mask], PostprocessReport]:
        """Return the masks of all slices, post-processed, and what that changed."""

        def decode(planes: Iterable[NDArray[np.uint8]]) -> list[Mask]:
            geometries = map(slices.geometry, range(len(slices)))
            return [self._decoded(*pair) for pair in zip(planes, geometries, strict=True)]

        kept = self.keeps_probabilities
        masks = decode(results) if kept else list(results)
        if self._rules and sum(mask.size for mask in masks) > _MANY_VOXELS:
            self._tell(f"post-processing {len(masks)} slices")
        return postprocess(
            masks,
            self._rules,
            self.manifest.labels,
            voxel_size(slices),
            slices.name,
            (lambda sigma: decode(smoothed(results, sigma))) if kept else None,
        )


def _entry(number: int, board: str | BoardEntry) -> BoardEntry:
    return board if isinstance(board, BoardEntry) else BoardEntry(f"board-{number}", board)
