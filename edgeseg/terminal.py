"""What edgeseg says at the terminal: tables and progress on it, JSON for programs beside it."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from rich.table import Table

RESEARCH_NOTE = "Research use only, not a medical device"

console = Console(soft_wrap=False, highlight=False)
"""Results go here: standard output."""

messages = Console(stderr=True, highlight=False, markup=False)
"""Progress, notes and errors go here: standard error."""


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
    if not messages.is_terminal:
        yield
        return
    with messages.status(description):
        yield


@contextmanager
def progress(total: float, description: str, unit: str = "") -> Iterator[Callable[..., None]]:
    """Show a bar with time left on standard error while the block runs.

    Yields ``advance(n=1, note=None)``. Nothing is shown where standard error is no terminal.

    Parameters
    ----------
    total
        How many steps make the whole.
    description
        What is going on, in a few words.
    unit
        If given, the speed is shown too, as ``UNIT/s``.
    """
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
        TimeRemainingColumn(),
        console=messages,
        transient=True,
        disable=not messages.is_terminal,
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
