"""The flags that every command has."""

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeseg.cli.config import config_file
from edgeseg.output.terminal import console, speak, voice

PANEL = "Of every command"
_COMMON = ("verbose", "log_format", "config", "debug")


class LogFormat(str, Enum):
    """How notes and errors can be written."""

    text = "text"
    json = "json"


def _show_versions(value: bool) -> None:
    if not value:
        return
    from edgeseg.cli.versions import versions

    for name, version in versions():
        console.print(f"{name} {version}", markup=False)
    raise typer.Exit


def _set_verbose(value: bool | None) -> None:
    if value is not None:
        speak(verbose=value)


def _set_form(value: LogFormat | None) -> None:
    if value is not None:
        voice.form = value.value


def _use_config(context: typer.Context, value: Path | None) -> None:
    """Take flags that are not on the command line from a file; the last one named counts."""
    if context.resilient_parsing:
        return
    root = context.find_root()
    if context is root or value is not None:
        root.obj = config_file(value)
    if root.obj is not None:
        context.default_map = root.obj.defaults(context)


def global_options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_versions,
            is_eager=True,
            expose_value=False,
            help="Show the versions that matter.",
        ),
    ] = False,
    verbose: Annotated[
        bool | None,
        typer.Option(
            "--verbose/--quiet",
            callback=_set_verbose,
            expose_value=False,
            rich_help_panel=PANEL,
            help="Tell more, or nothing but errors and --json.",
        ),
    ] = None,
    log_format: Annotated[
        LogFormat | None,
        typer.Option(
            callback=_set_form,
            expose_value=False,
            rich_help_panel=PANEL,
            help="Notes and errors as one line each, or as one JSON object.",
            show_default="text",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml",
            callback=_use_config,
            is_eager=True,
            expose_value=False,
            rich_help_panel=PANEL,
            help="Take flags that are not given from this file: a table for each command, and in "
            "it flags as keys.",
            show_default="~/.config/edgeseg/config.toml",
        ),
    ] = None,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            expose_value=False,
            rich_help_panel=PANEL,
            help="Show where an error arose.",
        ),
    ] = False,
) -> None:
    """Declare the flags; their callbacks act while the command line is read."""


def add_common(parameters: list[Any], common: Sequence[Any]) -> None:
    """Give a command the common flags that it has no flags of its own for."""
    own = {parameter.name for parameter in parameters}
    parameters += [option for option in common if option.name in _COMMON and option.name not in own]
