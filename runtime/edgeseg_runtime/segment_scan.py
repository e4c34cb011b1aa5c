"""A scan on disk to a mask on disk: what ``edgeseg segment`` does, in the order it does it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgeseg.boards.boards_file import BoardEntry, LinkEntry, read_boards
from edgeseg.bundle.signature import read_verify_key, verify_bundle
from edgeseg.errors import BoardError, PlacementError, UsageError, field_name
from edgeseg.files.atomic import check_writable, write_json
from edgeseg.imaging.dicom.output import check_dicom_seg, write_dicom_seg
from edgeseg.imaging.formats import read_scan
from edgeseg.imaging.scan import Scan
from edgeseg.output.terminal import emit_json, note, progress, working
from edgeseg.planning.outcome.objective import Objective
from edgeseg.text.units import parse_bytes, parse_seconds
from edgeseg_runtime.messaging.keys import own_keys
from edgeseg_runtime.page.segmented import write_segmented
from edgeseg_runtime.page.viewer import require_viewer
from edgeseg_runtime.results.preview import write_preview
from edgeseg_runtime.results.run_tables import show_run
from edgeseg_runtime.results.statistics import Statistics, measure
from edgeseg_runtime.segmentation.checkpoint import Checkpoint, run_of
from edgeseg_runtime.segmentation.dry_run import rehearse, tell_plan
from edgeseg_runtime.segmentation.segmenter import Segmentation, Segmenter


@dataclass(frozen=True)
class SegmentRequest:
    """What the user asked for."""

    bundle: Path
    scan: Path
    output: Path
    local: int | None
    memory_limit: str | None
    endpoints: tuple[str, ...]
    boards_file: Path | None
    objective: Objective
    patience: str
    resume: bool
    key: Path | None
    signed_by: Path | None
    series: str | None
    dicom_seg: Path | None
    preview: Path | None
    html: Path | None
    statistics: Path | None
    report: Path | None
    as_json: bool
    dry_run: bool


def run(request: SegmentRequest) -> None:
    """Segment and write everything that was asked for.

    Raises
    ------
    EdgesegError
        Before any work where an input or an output can't be used; afterwards where a board fails.
    """
    boards, link = _boards(request)
    scan = read_scan(request.scan, request.series, progress)
    _check_outputs(request, scan)
    if scan.warning:
        note(scan.warning)
    segmenter = Segmenter(
        request.bundle,
        boards,
        local=request.local,
        memory_limit=parse_bytes(request.memory_limit) if request.memory_limit else None,
        coordinator=link,
        objective=request.objective,
        keys=own_keys(request.key),
        patience=parse_seconds(request.patience),
        tell=note,
    )
    if request.dicom_seg is not None:
        _check_dicom_seg(request.dicom_seg, scan, segmenter)
    if request.signed_by is not None:
        verify_bundle(segmenter.bundle, read_verify_key(request.signed_by))
    if request.dry_run:
        rehearse(segmenter, scan, tuple(_written(request)), request.resume, request.as_json)
        return
    with working("reading the scan"):
        this = run_of(segmenter.manifest, scan)
    with Checkpoint(request.output, this, resume=request.resume, tell=note) as kept:
        segmentation = _segment(segmenter, scan, kept)
        statistics = measure(scan, segmentation.masks, segmenter.manifest.labels)
        _write(request, scan, segmenter, segmentation, statistics)
        kept.remove()
    if request.as_json:
        emit_json({"report": segmentation.report, "statistics": statistics})
    else:
        show_run(segmentation.report, statistics, _written(request))


def _segment(segmenter: Segmenter, scan: Scan, kept: Checkpoint) -> Segmentation:
    """Segment what is not done yet."""
    with (
        _saying_what_is_kept(kept, len(scan)),
        segmenter,
        progress(len(scan), "segmenting", unit="slices") as advance,
    ):
        tell_plan(*segmenter.planned)
        advance(len(kept.masks))
        return segmenter.segment(scan, progress=advance, checkpoint=kept)


@contextmanager
def _saying_what_is_kept(kept: Checkpoint, slices: int) -> Iterator[None]:
    """Say where the finished slices are when boards or the user end the run."""
    try:
        yield
    except (BoardError, PlacementError, KeyboardInterrupt) as error:
        if not kept.masks:
            raise
        line = f"{len(kept.masks)} of {slices} slices are kept in {kept.path}: add "
        line += field_name("resume")
        if isinstance(error, KeyboardInterrupt):
            note(line)
            raise
        raise type(error)(f"{error}; {line}") from None


def _boards(request: SegmentRequest) -> tuple[tuple[str | BoardEntry, ...], LinkEntry | None]:
    """Return the boards, and the link of this machine where it is known."""
    given = [
        name
        for name, value in (
            (field_name("local"), request.local),
            (field_name("endpoints"), request.endpoints),
            (field_name("boards_file"), request.boards_file),
        )
        if value
    ]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other; give one")
    if request.memory_limit and given and given != [field_name("local")]:
        raise UsageError(
            f"{field_name('memory_limit')} is for local workers; a board states its own"
        )
    if request.boards_file is None:
        return request.endpoints, None
    file = read_boards(request.boards_file)
    return file.board, file.coordinator


def _check_outputs(request: SegmentRequest, scan: Scan) -> None:
    scan.check_output(request.output)
    if request.html is not None:
        require_viewer()
    for path in (request.preview, request.html, request.statistics, request.report):
        if path is not None:
            check_writable(path)


def _check_dicom_seg(path: Path, scan: Scan, segmenter: Segmenter) -> None:
    warning = check_dicom_seg(path, scan, segmenter.bundle)
    if warning:
        note(warning)


def _write(
    request: SegmentRequest,
    scan: Scan,
    segmenter: Segmenter,
    segmentation: Segmentation,
    statistics: Statistics,
) -> None:
    scan.write(request.output, segmentation.masks)
    if request.dicom_seg is not None:
        with working("writing the DICOM segmentation"):
            write_dicom_seg(request.dicom_seg, scan, segmentation.masks, segmenter.bundle)
    if request.statistics is not None:
        statistics.write(request.statistics)
    if request.report is not None:
        write_json(request.report, segmentation.report)
    if request.preview is not None:
        write_preview(request.preview, scan, segmentation.masks, segmenter.manifest)
    if request.html is not None:
        with working("writing the page"):
            write_segmented(request.html, scan, segmentation, statistics, segmenter)


def _written(request: SegmentRequest) -> Iterator[Path]:
    made = (request.output, request.dicom_seg, request.preview, request.html)
    for path in (*made, request.statistics, request.report):
        if path is not None:
            yield path
