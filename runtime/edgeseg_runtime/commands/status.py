"""``edgeseg status``: what the workers of boards report of themselves."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from edgeseg.boards.boards_file import BoardEntry
    from edgeseg_runtime import BoardStatus, StatusWatch

_EVERY_SECONDS = 1.0


def status(
    boards: Annotated[Path | None, typer.Option(help="TOML file that lists the workers.")] = None,
    board: Annotated[
        list[str] | None, typer.Option(help="Endpoint of a running worker; repeatable.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every second.")] = False,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="This machine's own key.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON; with --watch one line a look.")
    ] = False,
) -> None:
    """Show how workers fare, without disturbing whom they serve.

    Exit code 1 if one of them does not answer.
    """
    from edgeseg.output.terminal import console, emit_json
    from edgeseg_runtime import StatusWatch, own_keys, worker_status

    targets, keys = _targets(boards, board or ()), own_keys(key)
    if watch:
        with StatusWatch(targets, keys) as watching, suppress(KeyboardInterrupt):
            _follow(watching, json)
        return
    statuses = worker_status(targets, keys, interval_seconds=_EVERY_SECONDS)
    if json:
        emit_json(statuses)
    else:
        console.print(_table(statuses))
    if not all(status.condition for status in statuses):
        raise typer.Exit(1)


def _targets(boards: Path | None, endpoints: Sequence[str]) -> Sequence["str | BoardEntry"]:
    from edgeseg.boards.boards_file import read_boards
    from edgeseg.errors import UsageError

    if (boards is None) == (not endpoints):
        raise UsageError("give either --boards FILE or --board ENDPOINT")
    return endpoints if boards is None else read_boards(boards).board


def _follow(watching: "StatusWatch", as_json: bool) -> None:
    import sys
    import time

    import msgspec
    from rich.live import Live

    from edgeseg.output.terminal import console

    with Live(console=console, auto_refresh=False) as live:
        while True:
            statuses = watching.look()
            if as_json:
                sys.stdout.write(msgspec.json.encode(statuses).decode() + "\n")
                sys.stdout.flush()
            else:
                live.update(_table(statuses), refresh=True)
            time.sleep(_EVERY_SECONDS)


def _table(statuses: Sequence["BoardStatus"]) -> "Table":
    from rich.markup import escape

    from edgeseg.output.terminal import figure_table

    figures = ("session", "MiB now/peak/limit", "pieces", "runs", "slices/s", "°C", "version", "up")
    table = figure_table(("board", "state"), figures)
    for status in statuses:
        if status.condition is None:
            table.add_row(escape(status.board), f"[red]{escape(status.problem or '')}[/]")
        else:
            table.add_row(escape(status.board), *_row(status))
    return table


def _row(status: "BoardStatus") -> tuple[str, ...]:
    from edgeseg.text.units import MIB, format_count, format_seconds

    report = status.condition
    if report is None:
        return ()
    serving = report.session_seconds is not None
    memory = (report.memory_bytes, report.peak_memory_bytes, report.memory_limit_bytes)
    return (
        "serving" if serving else "idle",
        "-" if report.session_seconds is None else format_seconds(report.session_seconds),
        "/".join(f"{count / MIB:.0f}" for count in memory),
        str(len(report.pieces)),
        format_count(report.runs),
        "-" if status.slices_per_second is None else f"{status.slices_per_second:.1f}",
        "-" if report.temperature is None else f"{report.temperature:.0f}",
        report.versions.get("edgeseg", "?"),
        format_seconds(report.uptime_seconds),
    )
