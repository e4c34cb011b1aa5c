"""Writes the page of a conversion."""

from dataclasses import dataclass
from pathlib import Path

from edgeseg.output.html import write_page
from edgeseg_converters.page.ushape import u_shape
from edgeseg_converters.reports.conversion import ConversionReport
from edgeseg_converters.search.report import SearchReport


@dataclass(frozen=True)
class Totals:
    """The pieces together, ``_before`` the compression; bytes are those of float32 then."""

    parameters: int
    parameters_before: int
    flops: int
    flops_before: int
    bytes: int
    bytes_before: int
    steady_ms: float
    zeros: float


def write_conversion_page(
    path: Path | str, report: ConversionReport | None, search: SearchReport | None = None
) -> None:
    """Write a conversion as one HTML page that needs no other file and names no path.

    Parameters
    ----------
    path
        Where to write.
    report
        The bundle's; None where a search chose none.
    search
        The search, if there was one.

    Raises
    ------
    OutputError
        If the file can't be written; nothing half-written is left.
    UsageError
        If the extra is not installed.
    """
    write_page(
        Path(path),
        "edgeseg_converters.page",
        "converted.html",
        report=report,
        drawing=u_shape(report) if report and report.layers else None,
        totals=report and _totals(report),
        most=report and _largest_figures(report),
        found=search,
    )


def _totals(report: ConversionReport) -> Totals:
    pieces = report.pieces
    parameters = sum(piece.parameters for piece in pieces)
    before = sum(piece.parameters_before for piece in pieces)
    return Totals(
        parameters=parameters,
        parameters_before=before,
        flops=sum(piece.flops for piece in pieces),
        flops_before=sum(piece.flops_before for piece in pieces),
        bytes=report.bundle_bytes,
        bytes_before=4 * before,
        steady_ms=sum(piece.steady_ms for piece in pieces),
        zeros=sum(piece.sparsity * piece.parameters for piece in pieces) / max(parameters, 1),
    )


def _largest_figures(report: ConversionReport) -> dict[str, float]:
    """Return the largest figure of any piece, by its name; it is the full width of a bar."""
    names = ("steady_ms", "peak_memory_bytes", "compressed_bytes", "crossing_bytes")
    return {name: max(getattr(piece, name) for piece in report.pieces) or 1 for name in names}
