"""``edgeseg doctor``: whether this machine can be a board."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from edgeseg_runtime import Finding

_COLORS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    config: Annotated[
        Path | None,
        typer.Option(help="The worker's TOML file, unless it is /etc/edgeseg/worker.toml."),
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="A .edgeseg file whose pieces are timed as well.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Look whether this machine can be a board, and say what to do where it can't.

    Exit code 1 if anything fails.
    """
    from edgeseg.output.terminal import console, emit_json, working
    from edgeseg_runtime import diagnose, worker_config

    with working("examining"):
        findings = diagnose(worker_config(config, {}), bundle)
    fit = all(finding.status != "fail" for finding in findings)
    if json:
        emit_json({"fit": fit, "findings": findings})
    else:
        console.print(_table(findings))
    if not fit:
        raise typer.Exit(1)


def _table(findings: Sequence["Finding"]) -> "Table":
    from rich.markup import escape

    from edgeseg.output.terminal import figure_table

    table = figure_table(("check", "", "found", "what to do"), ())
    for finding in findings:
        color = _COLORS[finding.status]
        status = f"[{color}]{finding.status}[/]"
        table.add_row(finding.check, status, escape(finding.found), escape(finding.advice))
    return table
