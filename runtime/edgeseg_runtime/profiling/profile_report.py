"""The report of a profile: milliseconds by piece and board, and links; as data and tables."""

from collections.abc import Iterator, Sequence

import msgspec
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from edgeseg.boards.profile_file import MeasuredBoard
from edgeseg.bundle.manifest import Manifest
from edgeseg.output.terminal import RESEARCH_NOTE, figure_table
from edgeseg.text.units import format_rate


class BoardProfile(msgspec.Struct, frozen=True):
    """One board: its link, and ms of each piece there on one core; without those too large."""

    name: str
    cores: int
    memory_limit_bytes: int
    up_bytes_per_second: float
    down_bytes_per_second: float
    latency_ms: float
    byte_ns: float
    piece_ms: dict[str, float]


class ProfileReport(msgspec.Struct, frozen=True):
    """What was measured of a bundle: its pieces on each board, and the links."""

    model: str
    pieces: tuple[str, ...]
    boards: tuple[BoardProfile, ...]
    note: str = RESEARCH_NOTE


def profile_report(manifest: Manifest, boards: Sequence[MeasuredBoard]) -> ProfileReport:
    """Return the report of what was measured of a bundle on boards."""
    return ProfileReport(
        model=manifest.model_name,
        pieces=tuple(piece.name for piece in manifest.pieces),
        boards=tuple(
            BoardProfile(
                name=figures.board.name,
                cores=figures.board.cores,
                memory_limit_bytes=figures.board.memory_limit,
                up_bytes_per_second=figures.link.up,
                down_bytes_per_second=figures.link.down,
                latency_ms=figures.link.latency * 1e3,
                byte_ns=figures.link.toll * 1e9,
                piece_ms={name: 1e3 * seconds for name, seconds in figures.seconds.items()},
            )
            for figures in boards
        ),
    )


def profile_pages(report: ProfileReport) -> Iterator[RenderableType]:
    """Yield the tables of a report: pieces by board, then links, then the note."""
    yield _pieces(report)
    yield _links(report)
    yield f"[dim]{RESEARCH_NOTE}.[/dim]"


def _pieces(report: ProfileReport) -> Table:
    table = figure_table(("ms on one core",), [escape(board.name) for board in report.boards])
    for piece in report.pieces:
        table.add_row(piece, *(_cell(board.piece_ms.get(piece)) for board in report.boards))
    table.add_row("all", *(_cell(sum(board.piece_ms.values())) for board in report.boards))
    return table


def _cell(milliseconds: float | None) -> str:
    return "too large" if milliseconds is None else f"{milliseconds:.1f}"


def _links(report: ProfileReport) -> Table:
    table = figure_table(("link",), ("up", "down", "latency", "cores, a byte"))
    for board in report.boards:
        up, down = (board.up_bytes_per_second, board.down_bytes_per_second)
        rates = (format_rate(up), format_rate(down))
        table.add_row(
            escape(board.name), *rates, f"{board.latency_ms:.2f} ms", f"{board.byte_ns:.2f} ns"
        )
    return table
