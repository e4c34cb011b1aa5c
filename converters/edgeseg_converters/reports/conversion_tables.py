"""Tables of the report of a conversion."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from edgeseg.output.terminal import RESEARCH_NOTE, figure_table
from edgeseg.text.units import format_bytes, format_count
from edgeseg_converters.partition import Alternative
from edgeseg_converters.reports.conversion import ConversionReport, PieceReport


@dataclass(frozen=True)
class _Column:
    """A figure of some pieces together; ``is_useful`` says when it is worth its width."""

    heading: str
    cell: Callable[[Sequence[PieceReport]], str]
    is_useful: Callable[[ConversionReport], bool] = lambda _: True


def summary_table(report: ConversionReport) -> Table:
    """Lay the report out in 80 columns, one row a piece; columns that say nothing are left out."""
    columns = [column for column in _COLUMNS if column.is_useful(report)]
    table = figure_table(
        ("piece",),
        [column.heading for column in columns],
        title=f"{escape(report.model)}: {len(report.pieces)} pieces",
        caption=_caption(report),
    )
    for piece in report.pieces:
        table.add_row(piece.name, *(column.cell((piece,)) for column in columns))
    table.add_section()
    table.add_row("all", *(column.cell(report.pieces) for column in columns))
    return table


def strategies_table(report: ConversionReport) -> Table:
    """Lay the strategies that ``auto`` tried out in 100 columns, the chosen one marked."""
    table = figure_table(
        ("strategy", "placed"),
        ("pieces", "slices/s", "s a slice", "largest need", "crossing"),
        title="predicted for the boards",
    )
    for row in report.strategies:
        if row.reason is not None:
            table.add_row(row.strategy, "not at all")
            continue
        name = f"{row.strategy} (kept)" if row.chosen else row.strategy
        table.add_row(name, *_predicted(row))
    return table


def _predicted(row: Alternative) -> Iterator[str]:
    yield row.placement or ""
    yield f"{row.pieces}"
    yield f"{row.slices_per_second:.3g}"
    yield f"{row.latency_seconds:.3g}"
    yield format_bytes(row.largest_memory_bytes or 0)
    yield format_bytes(row.crossing_bytes or 0)


def _parameters(pieces: Sequence[PieceReport]) -> str:
    before = format_count(sum(piece.parameters_before for piece in pieces))
    after = format_count(sum(piece.parameters for piece in pieces))
    return after if before == after else f"{before}→{after}"


def _precision(pieces: Sequence[PieceReport]) -> str:
    precisions = {piece.precision for piece in pieces}
    return precisions.pop() if len(precisions) == 1 else "mixed"


def _zeros(pieces: Sequence[PieceReport]) -> str:
    parameters = sum(piece.parameters for piece in pieces)
    zeros = sum(piece.sparsity * piece.parameters for piece in pieces)
    return f"{zeros / parameters if parameters else 0:.1%}"


def _loss(pieces: Sequence[PieceReport]) -> str:
    """Return the loss of one piece as text; losses of several do not add up."""
    losses = [piece.dice_loss for piece in pieces]
    return f"{losses[0]:.4f}" if len(losses) == 1 and losses[0] is not None else ""


def _quantized(report: ConversionReport) -> bool:
    return any(piece.precision != "float32" for piece in report.pieces)


def _measured(report: ConversionReport) -> bool:
    return any(piece.dice_loss is not None for piece in report.pieces)


# There is no room for FLOPs beside the type, nor for what crosses beside Dice.
_COLUMNS = (
    _Column("params", _parameters),
    _Column(
        "FLOPs",
        lambda pieces: format_count(sum(p.flops for p in pieces)),
        lambda report: not _quantized(report),
    ),
    _Column("type", _precision, _quantized),
    _Column("size", lambda pieces: format_bytes(sum(p.bytes for p in pieces))),
    _Column("packed", lambda pieces: format_bytes(sum(p.compressed_bytes for p in pieces))),
    _Column(
        "crossing",
        lambda pieces: format_bytes(sum(p.crossing_bytes for p in pieces)),
        lambda report: not _measured(report),
    ),
    _Column("zeros", _zeros, lambda report: any(p.sparsity for p in report.pieces)),
    _Column("ms", lambda pieces: f"{sum(p.steady_ms for p in pieces):.1f}"),
    _Column("peak", lambda pieces: format_bytes(max(p.peak_memory_bytes for p in pieces))),
    _Column("-Dice", _loss, _measured),
)


def _caption(report: ConversionReport) -> str:
    check = report.check
    outcome = (
        "bit-identical to the uncut model"
        if check.identical
        else f"largest difference {check.max_abs_difference:.3g}, "
        f"{check.mask_agreement:.2%} of pixels agree"
    )
    meaning = f"mask: {escape(report.meaning)}\n" if report.meaning else ""
    return (
        f"input: {report.input}\n"
        f"{meaning}check on {check.slices} slices: {outcome}\n"
        f"bundle {format_bytes(report.bundle_bytes)}; "
        f"{RESEARCH_NOTE}"
    )
