"""What ``edgeseg segment`` shows: the plan, the result with the work of every board, a dry run."""

from rich.table import Table

from edgeseg.output.terminal import RESEARCH_NOTE, console, detail, figure_table
from edgeseg.planning.planner import Plan
from edgeseg.planning.problem.problem import Problem
from edgeseg.planning.view.tables import (
    format_runs,
    format_time_sharing,
    plan_renderables,
)
from edgeseg.postprocess.report import RuleOutcome
from edgeseg.text.units import format_bytes, format_seconds
from edgeseg_runtime.results.run_report import BoardReport, BoardWork, RunReport
from edgeseg_runtime.results.statistics import Statistics
from edgeseg_runtime.segment_scan import SegmentResult
from edgeseg_runtime.segmentation.dry_run import SegmentDryRun


def show_plan(problem: Problem, plan: Plan) -> None:
    """Show, to somebody who asked for more, where the pieces are and which boards have none."""
    order = [piece.name for piece in problem.pieces]
    for lane in plan.lanes:
        for board in lane.members:
            pieces = [name for name, member in lane.boards.items() if member == board]
            detail(f"{board} runs {format_runs(pieces, order)}, {lane.window} slices in flight")
    for board, reason in plan.left_out.items():
        detail(f"{board} is left out: {reason}")
    detail(f"placed by {plan.method}, limited by {plan.prediction.bottleneck}")


def show_dry_run(planned: SegmentDryRun) -> None:
    """Print the plan, how long it would take, and which files would be written."""
    console.print(*plan_renderables(planned.plan), sep="\n")
    kept = f", {planned.kept} of them done before" if planned.kept else ""
    duration = (
        "less than a second" if planned.seconds < 1 else f"about {format_seconds(planned.seconds)}"
    )
    console.print(f"{planned.slices} slices{kept} would take {duration}")
    for path in planned.writes:
        console.print(f"would write {path}", markup=False, soft_wrap=True)


def show_result(result: SegmentResult) -> None:
    """Print the labels found, the work of every board, and which files were written."""
    console.print(_label_table(result.statistics))
    for outcome in result.statistics.postprocess.rules:
        console.print(_change(outcome))
    _show_report(result.segmentation.report)
    for path in result.files:
        console.print(f"wrote {path}", markup=False, soft_wrap=True)
    console.print(f"{RESEARCH_NOTE}.", style="dim")


def _show_report(report: RunReport) -> None:
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


def _label_table(statistics: Statistics) -> Table:
    sides = {side.label: (side.left_ml, side.right_ml) for side in statistics.sides}
    by_side = ("left", "right") if sides else ()
    table = figure_table(("label",), ("mL", *by_side, "voxels", "mean HU", ""))
    for label in statistics.labels:
        table.add_row(
            label.name,
            f"{label.volume_ml:.1f}" if label.volume_ml is not None else "-",
            *(f"{ml:.1f}" for ml in sides.get(label.name, ())),
            str(label.voxels),
            f"{label.mean_hu:.0f}" if label.mean_hu is not None else "-",
            "touches the first or last slice" if label.touches_first_or_last_slice else "",
        )
    return table


def _change(outcome: RuleOutcome) -> str:
    """Say in a line what a rule of post-processing changed."""
    rule = f"{outcome.rule} of {', '.join(outcome.labels)}" if outcome.labels else outcome.rule
    if outcome.skipped is not None:
        return f"{rule}: left out, {outcome.skipped}"
    amounts = {"removed": outcome.removed_ml, "added": outcome.added_ml}
    changes = ", ".join(f"{ml:.1f} mL {what}" for what, ml in amounts.items() if ml) or "no change"
    if outcome.removed_bodies:
        changes += f" in {outcome.removed_bodies} of {outcome.bodies} bodies"
    return f"{rule}: {changes}"


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


def _work_columns(work: BoardWork | BoardReport, limit: str = "") -> tuple[str, ...]:
    return (
        f"{work.busy_seconds:.2f} s",
        format_bytes(work.peak_memory_bytes),
        limit,
        format_bytes(work.sent_bytes),
        format_bytes(work.received_bytes),
    )
