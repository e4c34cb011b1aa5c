"""A plan at the terminal: boards and their pieces, other strategies, the bound."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from edgeseg.output.terminal import RESEARCH_NOTE, figure_table
from edgeseg.planning.view.report import PlanReport
from edgeseg.text.units import format_bytes

_GOALS = {
    "throughput": "{} between slices",
    "latency": "{} a slice",
    "memory": "{} on the board that needs most",
}


def plan_renderables(report: PlanReport) -> Iterator[RenderableType]:
    """Yield the tables and lines of a plan, 100 columns wide.

    Parameters
    ----------
    report
        The plan.
    """
    yield _boards(report)
    for board in report.boards:
        if board.left_out is not None:
            yield f"{escape(board.name)} is left out: {escape(board.left_out)}"
    for lane in report.lanes:
        if lane.shifts:
            name = escape(next(iter(lane.pieces.values())))
            yield f"{name} runs {format_time_sharing(lane.shifts, lane.window, lane.slower)}"
    if report.tensors:
        yield _tensors(report)
    yield _strategies(report)
    limit = f"; limited by {escape(report.bottleneck)}" if report.objective == "throughput" else ""
    yield f"{report.slices_per_second:.3g} slices/s, {report.latency_seconds:.3g} s a slice{limit}"
    yield (
        f"{_GOALS[report.objective].format(_cost(report, report.cost))}; no placement is below "
        f"{_cost(report, report.lower_bound)}: gap {100 * report.gap:.1f} %"
    )
    if any(lane.shifts for lane in report.lanes):
        yield "What loading and the disk take of the time is an estimate."
    if report.estimated:
        yield "~ is estimated from FLOPs; edgeseg profile measures it."
    yield f"[dim]{RESEARCH_NOTE}.[/dim]"


def format_runs(names: Sequence[str], order: Sequence[str]) -> str:
    """Return pieces as runs of neighbours, such as ``piece_00-03, piece_11``.

    Parameters
    ----------
    names
        Some of the pieces.
    order
        All of them.
    """
    numbers = [number for number, name in enumerate(order) if name in names]
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    return ", ".join(
        order[start] if start == end else f"{order[start]}-{order[end].removeprefix('piece_')}"
        for start, end in zip(starts, ends, strict=True)
    )


def format_time_sharing(shifts: Sequence[Sequence[str]], batch: int, slower: float) -> str:
    """Return how a board runs pieces with time sharing, for a message.

    Parameters
    ----------
    shifts
        Its groups of pieces.
    batch
        Slices for which each is loaded.
    slower
        How many times longer a slice takes than with all pieces in memory.
    """
    return (
        f"in shifts: {len(shifts)} groups, batches of {batch} slices, about {slower:.2g} times "
        "slower than boards that hold it whole"
    )


def _boards(report: PlanReport) -> Table:
    table = figure_table(
        ("board", "pieces"), ("s a slice", "busy", "memory", "limit", "sent", "received")
    )
    order = list(report.lanes[0].pieces)
    for board in (board for board in report.boards if board.pieces):
        table.add_row(
            escape(board.name),
            format_runs(list(board.pieces), order),
            f"{'~' * board.estimated}{board.seconds_per_slice:.3g}",
            f"{100 * board.busy:.0f} %",
            format_bytes(board.memory_bytes),
            format_bytes(board.memory_limit_bytes),
            format_bytes(board.sent_bytes_per_slice),
            format_bytes(board.received_bytes_per_slice),
        )
    return table


def _tensors(report: PlanReport) -> Table:
    table = figure_table(("tensor", "codec"), ("bytes", "on the wire", "s of cores"))
    for row in report.tensors:
        table.add_row(
            escape(row.name),
            row.codec,
            format_bytes(row.bytes),
            format_bytes(row.wire_bytes),
            f"{row.core_seconds:.3g}",
        )
    return table


def _strategies(report: PlanReport) -> Table:
    table = figure_table(("strategy",), ("slices/s", "s a slice", "largest need"))
    for row in report.strategies:
        is_plan = row.name == report.method
        table.add_row(
            f"{row.name} (this plan)" if is_plan else row.name,
            f"{row.slices_per_second:.3g}",
            f"{row.latency_seconds:.3g}",
            format_bytes(row.largest_memory_bytes),
        )
    if report.method not in {row.name for row in report.strategies}:
        table.add_row(
            f"{report.method} (this plan)",
            f"{report.slices_per_second:.3g}",
            f"{report.latency_seconds:.3g}",
            format_bytes(max(board.memory_bytes for board in report.boards)),
        )
    return table


def _cost(report: PlanReport, cost: float) -> str:
    return format_bytes(cost) if report.objective == "memory" else f"{cost:.3g} s"
