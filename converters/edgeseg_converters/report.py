"""What a conversion tells: a struct for programs, a table for people."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
from rich.markup import escape
from rich.table import Table

from edgeseg.cost import LayerCost, graph_cost, layer_cost
from edgeseg.graph import Graph
from edgeseg.manifest import Manifest, Piece
from edgeseg.measure import Measurement
from edgeseg.terminal import RESEARCH_NOTE, figure_table
from edgeseg.units import format_bytes, format_count
from edgeseg_converters.check import Check
from edgeseg_converters.partition import Alternative, Partition
from edgeseg_converters.precision import Chosen


class PieceReport(msgspec.Struct, frozen=True):
    """Figures of one piece.

    Attributes
    ----------
    precision
        What it computes in: ``float32``, ``float16``, ``dynamic`` or ``int8``.
    parameters, flops
        Of its layers as they are, and ``_before`` the compression.
    bytes, compressed_bytes
        Size of the file, and in the bundle.
    crossing_bytes
        Size of those of its tensors that other pieces read.
    sparsity
        Share of zeros among its kernel weights.
    first_ms, steady_ms
        Loading and the first run, and a later run, in a fresh process with one thread.
    peak_memory_bytes
        How much that process grows.
    dice_loss
        Dice that compressing this piece alone costs, against the masks of the uncompressed
        network on calibration slices; None where it was not measured.
    quantization_dice_loss
        The share of its precision: against all compressed pieces in float32.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    precision: str
    parameters: int
    parameters_before: int
    flops: int
    flops_before: int
    bytes: int
    compressed_bytes: int
    crossing_bytes: int
    sparsity: float
    first_ms: float
    steady_ms: float
    peak_memory_bytes: int
    dice_loss: float | None
    quantization_dice_loss: float | None


class LayerReport(msgspec.Struct, frozen=True):
    """One layer: its piece, what it reads, and the tensor that it makes.

    Attributes
    ----------
    crossing_bytes
        Size of that tensor where another piece reads it, else 0.
    """

    name: str
    kind: str
    piece: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    crossing_bytes: int


class Report(msgspec.Struct, frozen=True):
    """Figures of a conversion; ``crossing_bytes`` counts each tensor between pieces once.

    ``strategies`` are those that were looked at, where there were several.
    """

    pieces: tuple[PieceReport, ...]
    crossing_bytes: int
    check: Check
    bundle_bytes: int
    model: str
    settings: dict[str, str | int | float | bool | None]
    versions: dict[str, str]
    notes: tuple[str, ...]
    strategies: tuple[Alternative, ...] = ()
    layers: tuple[LayerReport, ...] = ()
    research_note: str = RESEARCH_NOTE


@dataclass(frozen=True)
class History:
    """How a bundle came about, as its manifest does not tell.

    Attributes
    ----------
    before
        The network before it was compressed.
    uncut
        The network after that, before a strategy divided layers of it.
    chosen
        The precision of each piece, and why.
    losses
        Dice that compressing each piece alone costs, None where it was not measured.
    measurements
        Memory and time of each piece.
    notes
        What the user should know besides, a line each.
    strategies
        Those that were looked at.
    cut
        The pieces before they were compiled.
    """

    before: Graph
    uncut: Graph
    chosen: Chosen
    losses: tuple[float | None, ...]
    measurements: tuple[Measurement, ...]
    notes: tuple[str, ...] = ()
    strategies: tuple[Alternative, ...] = ()
    cut: Partition = ()


def make_report(manifest: Manifest, check: Check, bundle_bytes: int, history: History) -> Report:
    """Gather the figures of a finished bundle."""
    pieces = tuple(_piece_reports(manifest, history))
    return Report(
        pieces=pieces,
        crossing_bytes=sum(piece.crossing_bytes for piece in pieces),
        check=check,
        bundle_bytes=bundle_bytes,
        model=manifest.model_name,
        settings=manifest.settings,
        versions=manifest.versions,
        notes=(*history.notes, *history.chosen.notes),
        strategies=history.strategies,
        layers=tuple(_layer_reports(manifest, history.cut)),
    )


def _layer_reports(manifest: Manifest, cut: Partition) -> Iterator[LayerReport]:
    """Yield the layers piece by piece, in an order in which they can run."""
    read = {port.tensor for piece in manifest.pieces for port in piece.inputs}
    made = {port.tensor: port.nbytes for piece in manifest.pieces for port in piece.outputs}
    for piece, graph in zip(manifest.pieces, cut, strict=False):
        for layer in graph.layers:
            size = made.get(layer.name, 0) if layer.name in read else 0
            yield LayerReport(
                layer.name, layer.kind, piece.name, layer.inputs, layer.output.shape, size
            )


def _piece_reports(manifest: Manifest, history: History) -> Iterator[PieceReport]:
    read = {port.tensor for piece in manifest.pieces for port in piece.inputs}
    chosen = history.chosen
    layers = {name for piece in manifest.pieces for name in piece.layers}
    divided = layers != history.uncut.position.keys()
    for piece, measured, precision, loss, quantized in zip(
        manifest.pieces,
        history.measurements,
        chosen.precisions,
        history.losses,
        chosen.losses,
        strict=True,
    ):
        before = _cost_before(piece, history, divided=divided)
        yield PieceReport(
            name=piece.name,
            inputs=tuple(port.tensor for port in piece.inputs),
            outputs=tuple(port.tensor for port in piece.outputs),
            precision="float32" if precision == "none" else precision,
            parameters=piece.parameters,
            parameters_before=before.parameters,
            flops=piece.flops,
            flops_before=before.flops,
            bytes=piece.bytes,
            compressed_bytes=piece.compressed_bytes,
            crossing_bytes=sum(port.nbytes for port in piece.outputs if port.tensor in read),
            sparsity=piece.sparsity,
            first_ms=measured.first_ms,
            steady_ms=measured.steady_ms,
            peak_memory_bytes=measured.peak_memory_bytes,
            dice_loss=loss,
            quantization_dice_loss=quantized,
        )


def _cost_before(piece: Piece, history: History, *, divided: bool) -> LayerCost:
    """Work out what the layers of a piece cost before the compression.

    Where a strategy divided layers, a piece has shrunk as much as the whole network has.
    """
    before, after = history.before, history.uncut
    if not divided:
        layers = (before.layer(name) for name in piece.layers if name in before.position)
        return sum((layer_cost(before, layer) for layer in layers), LayerCost())
    was, became = graph_cost(before), graph_cost(after)
    return LayerCost(
        parameters=round(piece.parameters * was.parameters / max(became.parameters, 1)),
        flops=round(piece.flops * was.flops / max(became.flops, 1)),
    )


@dataclass(frozen=True)
class _Column:
    """A figure of pieces together; ``tells`` says when it is worth its width."""

    heading: str
    cell: Callable[[Sequence[PieceReport]], str]
    tells: Callable[[Report], bool] = lambda _: True


def summary_table(report: Report) -> Table:
    """Lay the report out in 80 columns, one row a piece; what tells nothing is left out."""
    columns = [column for column in _COLUMNS if column.tells(report)]
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


def strategies_table(report: Report) -> Table:
    """Lay out the strategies that were looked at in 100 columns, the chosen one marked."""
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
    different = {piece.precision for piece in pieces}
    return different.pop() if len(different) == 1 else "mixed"


def _zeros(pieces: Sequence[PieceReport]) -> str:
    parameters = sum(piece.parameters for piece in pieces)
    zeros = sum(piece.sparsity * piece.parameters for piece in pieces)
    return f"{zeros / parameters if parameters else 0:.1%}"


def _loss(pieces: Sequence[PieceReport]) -> str:
    """Write the loss of one piece; losses of several do not add up."""
    losses = [piece.dice_loss for piece in pieces]
    return f"{losses[0]:.4f}" if len(losses) == 1 and losses[0] is not None else ""


def _quantized(report: Report) -> bool:
    return any(piece.precision != "float32" for piece in report.pieces)


def _measured(report: Report) -> bool:
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


def _caption(report: Report) -> str:
    check = report.check
    outcome = (
        "bit-identical to the uncut model"
        if check.identical
        else f"largest difference {check.max_abs_difference:.3g}, "
        f"{check.mask_agreement:.2%} of pixels agree"
    )
    return (
        f"check on {check.slices} slices: {outcome}\n"
        f"bundle {format_bytes(report.bundle_bytes)}; "
        f"{RESEARCH_NOTE}"
    )
