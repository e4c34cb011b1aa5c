"""What ``edgeseg segment`` shows in the end: what was found, and how the boards fared."""

from collections.abc import Iterable
from pathlib import Path

from rich.table import Table

from edgeseg.output.terminal import RESEARCH_NOTE, console, figure_table
from edgeseg.planning.view.tables import format_runs, format_time_sharing
from edgeseg.text.units import format_bytes
from edgeseg_runtime.results.run_report import BoardReport, BoardWork, RunReport
from edgeseg_runtime.results.statistics import Statistics


def show_run(report: RunReport, statistics: Statistics, written: Iterable[Path]) -> None:
    """Print what was found, how every board fared, and which files were written."""
    console.print(_label_table(statistics))
    console.print(_board_table(report))
    console.print(
        f"{report.slices} slices in {report.seconds:.1f} s, "
        f"{report.slices_per_second:.2f} slices/s, {format_bytes(report.wire_bytes)} on the wire"
    )
    for lane in report.lanes:
        if lane.shifts:
            board = next(iter(lane.pieces.values()))
            console.print(
                f"{board} ran {format_time_sharing(lane.shifts, lane.window, lane.slower)}"
            )
    estimated = ", estimated from FLOPs" if report.planned_from_estimates else ""
    console.print(f"planned: {report.planned_slices_per_second:.2f} slices/s{estimated}")
    if report.losses:
        console.print(
            f"boards lost: {len(report.losses)}; {report.replayed_slices} slices were sent again "
            f"in {report.epochs} placements"
        )
    if report.resumed_slices:
        console.print(f"{report.resumed_slices} slices were done before")
    for path in written:
        console.print(f"wrote {path}", markup=False, soft_wrap=True)
    console.print(f"{RESEARCH_NOTE}.", style="dim")


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
            format_runs(board.pieces, order) if board.pieces else f"left out: {board.left_out}",
            *_work_columns(board, format_bytes(board.memory_limit_bytes)),
        )
        if board.pieces:
            table.add_row("", "planned", *_work_columns(board.planned), style="dim")
    return table


def _work_columns(fares: BoardWork | BoardReport, limit: str = "") -> tuple[str, ...]:
    return (
        f"{fares.busy_seconds:.2f} s",
        format_bytes(fares.peak_memory_bytes),
        limit,
        format_bytes(fares.sent_bytes),
        format_bytes(fares.received_bytes),
    )
