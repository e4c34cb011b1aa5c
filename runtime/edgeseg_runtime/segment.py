"""A scan on disk to a mask on disk: what ``edgeseg segment`` does, in the order it does it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from edgeseg.boards import BoardEntry, LinkEntry, read_boards
from edgeseg.errors import BoardError, PlacementError, UsageError
from edgeseg.files import check_writable, write_json
from edgeseg.planning.objective import Objective
from edgeseg.planning.tables import in_shifts, runs
from edgeseg.scan import Scan, read_scan
from edgeseg.signature import read_verify_key, verify_bundle
from edgeseg.terminal import (
    RESEARCH_NOTE,
    console,
    emit_json,
    figure_table,
    messages,
    progress,
    working,
)
from edgeseg.units import format_bytes, parse_bytes, parse_seconds
from edgeseg_runtime.checkpoint import Checkpoint, run_of
from edgeseg_runtime.keys import own_keys
from edgeseg_runtime.preview import write_preview
from edgeseg_runtime.report import BoardFares, BoardReport, RunReport
from edgeseg_runtime.segmenter import Segmentation, Segmenter
from edgeseg_runtime.statistics import Statistics, measure


@dataclass(frozen=True)
class Request:
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
    preview: Path | None
    statistics: Path | None
    report: Path | None
    as_json: bool


def run(request: Request) -> None:
    """Segment and write everything that was asked for.

    Raises
    ------
    EdgesegError
        Before any work where an input or an output can't be used; afterwards where a board fails.
    """
    boards, link = _boards(request)
    scan = read_scan(request.scan)
    _check_outputs(request, scan)
    if scan.warning:
        _tell(scan.warning)
    segmenter = Segmenter(
        request.bundle,
        boards,
        local=request.local,
        memory_limit=parse_bytes(request.memory_limit) if request.memory_limit else None,
        coordinator=link,
        objective=request.objective,
        keys=own_keys(request.key),
        patience=parse_seconds(request.patience),
        tell=_tell,
    )
    if request.signed_by is not None:
        verify_bundle(segmenter.bundle, read_verify_key(request.signed_by))
    with working("reading the scan"):
        this = run_of(segmenter.manifest, scan)
    with Checkpoint(request.output, this, resume=request.resume, tell=_tell) as kept:
        segmentation = _segment(segmenter, scan, kept)
        statistics = measure(scan, segmentation.masks, segmenter.manifest.labels)
        _write(request, scan, segmenter, segmentation, statistics)
        kept.remove()
    if request.as_json:
        emit_json({"report": segmentation.report, "statistics": statistics})
    else:
        _show(request, segmentation.report, statistics)


def _segment(segmenter: Segmenter, scan: Scan, kept: Checkpoint) -> Segmentation:
    """Segment what is not done yet."""
    with (
        _saying_what_is_kept(kept, len(scan)),
        segmenter,
        progress(len(scan), "segmenting", unit="slices") as advance,
    ):
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
        note = f"{len(kept.masks)} of {slices} slices are kept in {kept.path}: add --resume"
        if isinstance(error, KeyboardInterrupt):
            _tell(note)
            raise
        raise type(error)(f"{error}; {note}") from None


def _tell(line: str) -> None:
    messages.print(line, style="yellow", soft_wrap=True)


def _boards(request: Request) -> tuple[tuple[str | BoardEntry, ...], LinkEntry | None]:
    """Return the boards, and the link of this machine where it is known."""
    given = [
        name
        for name, value in (
            ("--local", request.local),
            ("--board", request.endpoints),
            ("--boards", request.boards_file),
        )
        if value
    ]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other; give one")
    if request.memory_limit and given and given != ["--local"]:
        raise UsageError("--memory-limit is for local workers; a board states its own")
    if request.boards_file is None:
        return request.endpoints, None
    file = read_boards(request.boards_file)
    return file.board, file.coordinator


def _check_outputs(request: Request, scan: Scan) -> None:
    scan.check_output(request.output)
    for path in (request.preview, request.statistics, request.report):
        if path is not None:
            check_writable(path)


def _write(
    request: Request,
    scan: Scan,
    segmenter: Segmenter,
    segmentation: Segmentation,
    statistics: Statistics,
) -> None:
    scan.write(request.output, segmentation.masks)
    if request.statistics is not None:
        statistics.write(request.statistics)
    if request.report is not None:
        write_json(request.report, segmentation.report)
    if request.preview is not None:
        footer = f"{segmenter.manifest.model_name}, {request.scan.name}"
        write_preview(request.preview, scan, segmentation.masks, segmenter.manifest, footer)


def _show(request: Request, report: RunReport, statistics: Statistics) -> None:
    console.print(_label_table(statistics))
    console.print(_board_table(report))
    console.print(
        f"{report.slices} slices in {report.seconds:.1f} s, "
        f"{report.slices_per_second:.2f} slices/s, {format_bytes(report.wire_bytes)} on the wire"
    )
    for lane in report.lanes:
        if lane.shifts:
            board = next(iter(lane.pieces.values()))
            console.print(f"{board} ran {in_shifts(lane.shifts, lane.window, lane.slower)}")
    estimated = ", estimated from FLOPs" if report.planned_from_estimates else ""
    console.print(f"planned: {report.planned_slices_per_second:.2f} slices/s{estimated}")
    if report.losses:
        console.print(
            f"boards lost: {len(report.losses)}; {report.replayed_slices} slices were sent again "
            f"in {report.epochs} placements"
        )
    if report.resumed_slices:
        console.print(f"{report.resumed_slices} slices were done before")
    for path in _written(request):
        console.print(f"wrote {path}", markup=False, soft_wrap=True)
    console.print(f"{RESEARCH_NOTE}.", style="dim")


def _written(request: Request) -> Iterator[Path]:
    for path in (request.output, request.preview, request.statistics, request.report):
        if path is not None:
            yield path


def _label_table(statistics: Statistics) -> Table:
    table = figure_table(("label",), ("mL", "voxels", "mean HU", ""))
    for label in statistics.labels:
        table.add_row(
            label.name,
            f"{label.volume_ml:.1f}" if label.volume_ml is not None else "-",
            str(label.voxels),
            f"{label.mean_hu:.0f}" if label.mean_hu is not None else "-",
            "touches the first or last slice" if label.touches_first_or_last_slice else "",
        )
    return table


def _board_table(report: RunReport) -> Table:
    table = figure_table(("board", "pieces"), ("busy", "peak", "limit", "sent", "received"))
    order = tuple(report.lanes[0].pieces)
    for board in report.boards:
        table.add_row(
            board.name,
            runs(board.pieces, order) if board.pieces else f"left out: {board.left_out}",
            *_fares(board, format_bytes(board.memory_limit_bytes)),
        )
        if board.pieces:
            table.add_row("", "planned", *_fares(board.planned), style="dim")
    return table


def _fares(fares: BoardFares | BoardReport, limit: str = "") -> tuple[str, ...]:
    return (
        f"{fares.busy_seconds:.2f} s",
        format_bytes(fares.peak_memory_bytes),
        limit,
        format_bytes(fares.sent_bytes),
        format_bytes(fares.received_bytes),
    )
