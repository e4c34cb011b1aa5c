"""``edgeseg status``: how the workers of the boards fare."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from edgeseg.boards.boards_file import BoardEntry
    from edgeseg_runtime.operations.status import BoardStatus, Watch

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
    import time

    from edgeseg.output.terminal import console, emit_json
    from edgeseg_runtime.messaging.keys import own_keys
    from edgeseg_runtime.operations.status import Watch

    with Watch(_entries(boards, board or ()), own_keys(key)) as watching:
        if watch:
            with suppress(KeyboardInterrupt):
                _follow(watching, json)
            return
        sightings = watching.look()
        if any(sighting.condition for sighting in sightings):
            time.sleep(_EVERY_SECONDS)  # slices that go through meanwhile tell the speed
            sightings = watching.look()
    if json:
        emit_json(sightings)
    else:
        console.print(_table(sightings))
    if not all(sighting.condition for sighting in sightings):
        raise typer.Exit(1)


def _entries(boards: Path | None, endpoints: Sequence[str]) -> tuple["BoardEntry", ...]:
    from edgeseg.boards.boards_file import BoardEntry, read_boards
    from edgeseg.errors import UsageError

    if (boards is None) == (not endpoints):
        raise UsageError("give either --boards FILE or --board ENDPOINT")
    if boards is not None:
        return read_boards(boards).board
    return tuple(BoardEntry(endpoint, endpoint) for endpoint in dict.fromkeys(endpoints))


def _follow(watching: "Watch", as_json: bool) -> None:
    import sys
    import time

    import msgspec
    from rich.live import Live

    from edgeseg.output.terminal import console

    with Live(console=console, auto_refresh=False) as live:
        while True:
            sightings = watching.look()
            if as_json:
                sys.stdout.write(msgspec.json.encode(sightings).decode() + "\n")
                sys.stdout.flush()
            else:
                live.update(_table(sightings), refresh=True)
            time.sleep(_EVERY_SECONDS)


def _table(sightings: Sequence["BoardStatus"]) -> "Table":
    from rich.markup import escape

    from edgeseg.output.terminal import figure_table

    figures = ("session", "MiB now/peak/limit", "pieces", "runs", "slices/s", "°C", "version", "up")
    table = figure_table(("board", "state"), figures)
    for sighting in sightings:
        if sighting.condition is None:
            table.add_row(escape(sighting.board), f"[red]{escape(sighting.problem or '')}[/]")
        else:
            table.add_row(escape(sighting.board), *_row(sighting))
    return table


def _row(sighting: "BoardStatus") -> tuple[str, ...]:
    from edgeseg.text.units import MIB, format_count, format_seconds

    seen = sighting.condition
    if seen is None:
        return ()
    serving = seen.session_seconds is not None
    memory = (seen.memory_bytes, seen.peak_memory_bytes, seen.memory_limit_bytes)
    return (
        "serving" if serving else "idle",
        "-" if seen.session_seconds is None else format_seconds(seen.session_seconds),
        "/".join(f"{count / MIB:.0f}" for count in memory),
        str(len(seen.pieces)),
        format_count(seen.runs),
        "-" if sighting.slices_per_second is None else f"{sighting.slices_per_second:.1f}",
        "-" if seen.temperature is None else f"{seen.temperature:.0f}",
        seen.versions.get("edgeseg", "?"),
        format_seconds(seen.uptime_seconds),
    )
