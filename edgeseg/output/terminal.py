"""Output of the command line: tables, progress and notes on the terminal, JSON for programs."""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console

from edgeseg.progress import Advance

if TYPE_CHECKING:
    from rich.table import Table

RESEARCH_NOTE = "Research use only, not a medical device"

_LEAST, _MOST = 80, 160
"""Columns: tables lose figures in fewer than the least; files and pipes get the most."""


def _width() -> int | None:
    """Return how wide results are laid out; None for as wide as the terminal is."""
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        return _MOST
    return None if shutil.get_terminal_size().columns >= _LEAST else _LEAST


console = Console(soft_wrap=False, highlight=False, width=_width())
"""Results go here: standard output."""

messages = Console(stderr=True, highlight=False, markup=False)
"""Progress, notes and errors go here: standard error."""


@dataclass
class Voice:
    """How much is written at the terminal, and in which form.

    Attributes
    ----------
    verbose
        True for more notes than usual; False for errors and JSON alone, without notes, progress
        and tables.
    form
        Notes and errors as plain lines (None, too), or each as a JSON object with ``time``,
        ``level`` and ``event``.
    """

    verbose: bool | None = None
    form: Literal["text", "json"] | None = None


voice = Voice()


def speak(verbose: bool) -> None:
    """Write more notes from here on, or nothing but errors and JSON."""
    voice.verbose = verbose
    console.quiet = not verbose


def detail(line: str) -> None:
    """Write a line where ``--verbose`` is given."""
    if voice.verbose:
        _say("debug", line, "dim")


def note(line: str) -> None:
    """Write a line that the user should read, unless ``--quiet`` is given."""
    if voice.verbose is not False:
        _say("info", line, "yellow")


def note_table(table: "Table") -> None:
    """Show a table beside the results, where notes are wanted and are lines for people."""
    if voice.verbose is not False and voice.form != "json":
        messages.print(table)


def complain(line: str) -> None:
    """Write an error."""
    _say("error", line, "red")


def _say(level: str, line: str, style: str) -> None:
    if voice.form != "json":
        messages.print(line, style=style, soft_wrap=True)
        return
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(json.dumps({"time": when, "level": level, "event": line}) + "\n")


def _animated() -> bool:
    """Tell whether progress is drawn: on a terminal, unless ``--quiet`` is given."""
    return messages.is_terminal and voice.verbose is not False and voice.form != "json"


def figure_table(
    words: Sequence[str], figures: Sequence[str], title: str = "", caption: str = ""
) -> "Table":
    """Return an empty table: columns of words, then columns of figures, aligned to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title=title or None, caption=caption or None, box=SIMPLE_HEAD, show_edge=False, padding=0
    )
    for heading in words:
        table.add_column(heading, overflow="fold", min_width=8)
    for heading in figures:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def emit_json(value: Any) -> None:
    """Write a struct or a plain structure to standard output as indented JSON."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(value), indent=2)
    sys.stdout.write(text.decode() + "\n")


@contextmanager
def working(description: str) -> Iterator[None]:
    """Show on standard error, if that is a terminal, that something of unknown length goes on."""
    if not _animated():
        yield
        return
    with messages.status(description):
        yield


@contextmanager
def progress(
    total: float | None, description: str, unit: str = "", *, estimate: bool = True
) -> Iterator[Advance]:
    """Show a bar with time left on standard error while the block runs.

    This is the :class:`~edgeseg.progress.Progress` that commands give to the library. Nothing is
    shown where standard error is no terminal.

    Parameters
    ----------
    total
        How many steps make the whole; None shows that something goes on.
    description
        What is going on, in a few words.
    unit
        If given, the speed is shown too, as ``UNIT/s``.
    estimate
        Tell the time left from the last half minute; slow steps need a caller who knows better.
    """
    if total is None:
        with working(description):
            yield _no_advance
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        *([TimeRemainingColumn()] if estimate else []),
        console=messages,
        transient=True,
        disable=not _animated(),
    ) as bars:
        task = bars.add_task(description, total=total, speed="")

        def advance(n: float = 1, note: str | None = None) -> None:
            speed = bars.tasks[0].speed
            bars.update(
                task,
                advance=n,
                description=note or description,
                speed=f"{speed:.1f} {unit}/s" if unit and speed else "",
            )

        yield advance


def _no_advance(n: float = 1, note: str | None = None) -> None:
    """Leave out steps of work whose length nobody knows."""
