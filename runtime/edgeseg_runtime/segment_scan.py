"""Segments a scan on disk into a mask on disk and the files that may go with it, or plans that."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.rules import Rule
from edgeseg.bundle.signature import read_verify_key, verify_bundle
from edgeseg.errors import BoardError, OutputError, PlacementError, field_name
from edgeseg.files.atomic import check_distinct, check_writable, write_json
from edgeseg.imaging.dicom.choice import choice_text
from edgeseg.imaging.dicom.output import check_dicom_seg, write_dicom_seg
from edgeseg.imaging.formats import read_scan
from edgeseg.imaging.hounsfield import notes_for_model
from edgeseg.imaging.scan import Scan
from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.problem import Problem
from edgeseg.postprocess.rules_file import read_rules
from edgeseg.progress import Progress, Tell, silent
from edgeseg_runtime.messaging.keys import own_keys
from edgeseg_runtime.page.segmented import write_segmented
from edgeseg_runtime.page.viewer import require_viewer
from edgeseg_runtime.results.preview import write_preview
from edgeseg_runtime.results.probabilities import check_probabilities, write_probabilities
from edgeseg_runtime.results.statistics import Statistics, measure
from edgeseg_runtime.segmentation.checkpoint import Checkpoint, checkpoint_key
from edgeseg_runtime.segmentation.dry_run import SegmentDryRun, dry_run
from edgeseg_runtime.segmentation.options import SegmentOptions, boards_of
from edgeseg_runtime.segmentation.segmenter import Segmentation, Segmenter


@dataclass(frozen=True)
class SegmentResult:
    """A scan that was segmented.

    Attributes
    ----------
    segmentation
        The masks, and the report of the run.
    statistics
        Volume, place and density of each label.
    files
        What was written, the mask first.
    """

    segmentation: Segmentation
    statistics: Statistics
    files: tuple[Path, ...]


def segment(  # noqa: PLR0913 - one keyword a callback
    bundle: Path | str,
    scan: Path | str,
    output: Path | str,
    options: SegmentOptions | None = None,
    *,
    progress: Progress = silent,
    tell: Tell | None = None,
    on_plan: Callable[[Problem, Plan], None] | None = None,
) -> SegmentResult:
    """Segment a scan on disk, and write its mask and whatever else the options name.

    Parameters
    ----------
    bundle
        A ``.edgeseg`` file.
    scan
        A NIfTI file, a PNG or a folder of them, or DICOM as a folder, file or zip.
    output
        The mask: NIfTI, or for pictures a PNG or a folder of them.
    options
        What else may be chosen.
    progress
        Follows reading, segmenting (slice by slice) and writing.
    tell
        Called with one line where something should be known: a lost board, an odd scan.
    on_plan
        Called with what was planned, and the plan, before the first slice.

    Raises
    ------
    UsageError, BundleError, VolumeError, OutputError
        Before any work, if an option, an input or an output can't be used.
    BoardError, PlacementError
        If no board can be reached, nothing fits, or boards are lost without which nothing goes
        on; finished slices are kept, to be resumed.
    """
    job = _prepare(Path(bundle), Path(scan), Path(output), options, progress, tell)
    with progress(None, "reading the scan"):
        key = checkpoint_key(
            job.segmenter.manifest,
            job.scan,
            probabilities=job.segmenter.keeps_probabilities,
        )
    with Checkpoint(job.output, key, resume=job.options.resume, tell=job.tell) as checkpoint:
        with (
            _telling_what_is_kept(checkpoint, len(job.scan), job.tell),
            job.segmenter as segmenter,
            progress(len(job.scan), "segmenting", unit="slices") as advance,
        ):
            if on_plan is not None:
                on_plan(*segmenter.planned)
            advance(len(checkpoint.slices))
            segmentation = segmenter.segment(
                job.scan, progress=advance, checkpoint=checkpoint, notes=job.notes
            )
        changes = segmentation.report.postprocess
        for remark in changes.remarks:
            job.tell(remark)
        statistics = measure(job.scan, segmentation.masks, segmenter.manifest.labels, changes)
        with _telling_what_is_kept(checkpoint, len(job.scan), job.tell):
            _write(job, segmentation, statistics, progress)
        checkpoint.remove()
    return SegmentResult(segmentation, statistics, job.files)


def plan_segment(  # noqa: PLR0913 - one keyword a callback
    bundle: Path | str,
    scan: Path | str,
    output: Path | str,
    options: SegmentOptions | None = None,
    *,
    progress: Progress = silent,
    tell: Tell | None = None,
) -> SegmentDryRun:
    """Check all that :func:`segment` would, and plan; nothing is computed and nothing written.

    Parameters
    ----------
    bundle, scan, output, options, progress, tell
        As for :func:`segment`.

    Raises
    ------
    EdgesegError
        As :func:`segment` before its first slice.
    """
    job = _prepare(Path(bundle), Path(scan), Path(output), options, progress, tell)
    return dry_run(job.segmenter, job.scan, job.files, job.options.resume, progress)


@dataclass(frozen=True)
class _Job:
    """A scan to be segmented, with everything checked that can be before any work."""

    scan: Scan
    output: Path
    options: SegmentOptions
    notes: tuple[str, ...]
    segmenter: Segmenter
    tell: Tell

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that will be written, the mask first."""
        return (self.output, *self.options.files)


def _prepare(  # noqa: PLR0913, PLR0917 - all that the public functions are given
    bundle: Path,
    path: Path,
    output: Path,
    options: SegmentOptions | None,
    progress: Progress,
    tell: Tell | None,
) -> _Job:
    """Check options, inputs and outputs."""
    options, tell = options or SegmentOptions(), tell or (lambda _: None)
    boards, link = boards_of(options)
    scan = read_scan(path, choice_text(options.series, options.acquisition), progress)
    _check_outputs(output, options, scan)
    segmenter = Segmenter(
        bundle,
        boards,
        local=options.local,
        memory_limit=options.memory_limit,
        coordinator=link,
        objective=options.objective,
        wire=options.wire,
        keys=own_keys(options.key),
        patience=options.patience,
        tell=tell,
        rules=_rules(bundle, options.postprocess),
        probabilities=options.probabilities is not None,
    )
    notes = notes_for_model(scan, segmenter.manifest.preprocessing)
    for note in notes:
        tell(note)
    if options.dicom_seg is not None:
        warning = check_dicom_seg(options.dicom_seg, scan, segmenter.bundle)
        if warning:
            tell(warning)
    if options.signed_by is not None:
        verify_bundle(segmenter.bundle, read_verify_key(options.signed_by))
    return _Job(scan, output, options, notes, segmenter, tell)


def _rules(bundle: Path, name: str | None) -> tuple[Rule, ...] | None:
    """Return the post-processing that was asked for, or None: the bundle's own."""
    return None if name is None else read_rules(name, Bundle(bundle).manifest.labels)


def _check_outputs(output: Path, options: SegmentOptions, scan: Scan) -> None:
    scan.check_output(output)
    check_distinct(output, *options.files)
    if options.html is not None:
        require_viewer()
    if options.probabilities is not None:
        check_probabilities(options.probabilities, scan)
    check_writable(options.preview, options.html, options.statistics, options.report)


@contextmanager
def _telling_what_is_kept(checkpoint: Checkpoint, slices: int, tell: Tell) -> Iterator[None]:
    """Tell where the finished slices are when boards, the user or a full disk end the run."""
    try:
        yield
    except (BoardError, PlacementError, OutputError, KeyboardInterrupt) as error:
        if not checkpoint.slices:
            raise
        line = (
            f"{len(checkpoint.slices)} of {slices} slices are kept in {checkpoint.path}: "
            f"add {field_name('resume')}"
        )
        if isinstance(error, KeyboardInterrupt):
            tell(line)
            raise
        raise type(error)(f"{error}; {line}") from None


def _write(
    job: _Job, segmentation: Segmentation, statistics: Statistics, progress: Progress
) -> None:
    options, scan, masks = job.options, job.scan, segmentation.masks
    scan.write(job.output, masks)
    if options.probabilities is not None and segmentation.probabilities is not None:
        with progress(None, "writing the probabilities"):
            write_probabilities(
                options.probabilities, scan, segmentation.probabilities, job.segmenter.manifest
            )
    if options.dicom_seg is not None:
        with progress(None, "writing the DICOM segmentation"):
            write_dicom_seg(options.dicom_seg, scan, masks, job.segmenter.bundle)
    if options.statistics is not None:
        statistics.write(options.statistics)
    if options.report is not None:
        write_json(options.report, segmentation.report)
    if options.preview is not None:
        write_preview(options.preview, scan, masks, job.segmenter.manifest)
    if options.html is not None:
        with progress(None, "writing the page"):
            write_segmented(options.html, scan, segmentation, statistics, job.segmenter)
