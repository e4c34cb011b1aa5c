"""What a conversion tells: a struct for programs, a table for people."""

from collections.abc import Iterable

import msgspec
from rich.markup import escape
from rich.table import Table

from edgeseg.manifest import Manifest, Piece
from edgeseg.terminal import RESEARCH_NOTE, figure_table
from edgeseg.units import format_bytes, format_count
from edgeseg_converters.check import Check


class PieceReport(msgspec.Struct, frozen=True):
    """Figures of one piece; ``crossing_bytes`` are those of its tensors that others read."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: int
    flops: int
    bytes: int
    compressed_bytes: int
    crossing_bytes: int
    sparsity: float
    peak_memory_bytes: int


class Report(msgspec.Struct, frozen=True):
    """Figures of a conversion; ``crossing_bytes`` counts each tensor between pieces once."""

    pieces: tuple[PieceReport, ...]
    crossing_bytes: int
    check: Check
    bundle_bytes: int
    model: str
    settings: dict[str, str | int | float | bool | None]
    versions: dict[str, str]
    notes: tuple[str, ...]
    research_note: str = RESEARCH_NOTE


def make_report(
    manifest: Manifest, check: Check, bundle_bytes: int, notes: Iterable[str]
) -> Report:
    """Gather the figures of a finished bundle."""
    read = {port.tensor for piece in manifest.pieces for port in piece.inputs}
    pieces = tuple(_piece_report(piece, read) for piece in manifest.pieces)
    return Report(
        pieces=pieces,
        crossing_bytes=sum(piece.crossing_bytes for piece in pieces),
        check=check,
        bundle_bytes=bundle_bytes,
        model=manifest.model_name,
        settings=manifest.settings,
        versions=manifest.versions,
        notes=tuple(notes),
    )


def summary_table(report: Report) -> Table:
    """Lay the report out in 80 columns, one row a piece."""
    table = figure_table(
        ("piece",),
        ("params", "FLOPs", "size", "packed", "crossing", "zeros", "peak"),
        title=f"{escape(report.model)}: {len(report.pieces)} pieces",
        caption=_caption(report),
    )
    for piece in report.pieces:
        table.add_row(piece.name, *_cells((piece,), piece.peak_memory_bytes))
    table.add_section()
    largest = max(piece.peak_memory_bytes for piece in report.pieces)
    table.add_row("all", *_cells(report.pieces, largest))
    return table


def _piece_report(piece: Piece, read: set[str]) -> PieceReport:
    return PieceReport(
        name=piece.name,
        inputs=tuple(port.tensor for port in piece.inputs),
        outputs=tuple(port.tensor for port in piece.outputs),
        parameters=piece.parameters,
        flops=piece.flops,
        bytes=piece.bytes,
        compressed_bytes=piece.compressed_bytes,
        crossing_bytes=sum(port.nbytes for port in piece.outputs if port.tensor in read),
        sparsity=piece.sparsity,
        peak_memory_bytes=piece.peak_memory_bytes,
    )


def _cells(pieces: tuple[PieceReport, ...], peak_memory_bytes: int) -> tuple[str, ...]:
    """Write the figures of one piece, or the totals of all and the largest memory."""
    parameters = sum(piece.parameters for piece in pieces)
    zeros = sum(piece.sparsity * piece.parameters for piece in pieces)
    return (
        format_count(parameters),
        format_count(sum(piece.flops for piece in pieces)),
        format_bytes(sum(piece.bytes for piece in pieces)),
        format_bytes(sum(piece.compressed_bytes for piece in pieces)),
        format_bytes(sum(piece.crossing_bytes for piece in pieces)),
        f"{zeros / parameters if parameters else 0:.1%}",
        format_bytes(peak_memory_bytes),
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
