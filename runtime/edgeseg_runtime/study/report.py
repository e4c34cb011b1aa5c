"""What a study says of itself: its pace while it runs, and at its end how it went."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.markup import escape

from edgeseg.output.terminal import RESEARCH_NOTE, console, figure_table
from edgeseg.text.units import format_seconds
from edgeseg_runtime.study.record import Failure, VolumeOutcome

_HOUR = 3600.0


class StudyReport(msgspec.Struct, frozen=True):
    """A whole study: how it went, and what became of every volume.

    ``skipped`` volumes were finished before it began.
    """

    segmented: int
    skipped: int
    failed: int
    seconds: float
    volumes_per_hour: float
    volumes: tuple[VolumeOutcome, ...]
    note: str = RESEARCH_NOTE


def pace(done: int, left: int, failed: int, seconds: float) -> str:
    """Say how fast a study goes, from what it has done in so many seconds."""
    parts = ["segmenting"]
    if done:
        parts.append(f"{_HOUR * done / seconds:.0f} volumes/h")
        parts.append(f"{format_seconds(left * seconds / done)} left")
    if failed:
        parts.append(f"{failed} failed")
    return ", ".join(parts)


def study_report(outcomes: tuple[VolumeOutcome, ...], skipped: int, seconds: float) -> StudyReport:
    """Count what became of the volumes, of which some were ``skipped``, in so many seconds."""
    failed = sum(isinstance(outcome, Failure) for outcome in outcomes)
    segmented = len(outcomes) - skipped - failed
    return StudyReport(
        segmented=segmented,
        skipped=skipped,
        failed=failed,
        seconds=seconds,
        volumes_per_hour=_HOUR * segmented / seconds,
        volumes=outcomes,
    )


def show(report: StudyReport, written: Sequence[Path]) -> None:
    """Show at the terminal how it went: what failed, how fast it was, where things are."""
    failures = [outcome for outcome in report.volumes if isinstance(outcome, Failure)]
    if failures:
        table = figure_table(("failed", "why"), ())
        for failure in failures:
            table.add_row(escape(failure.volume), escape(failure.error))
        console.print(table)
    count = report.segmented
    line = f"{count} volume{'' if count == 1 else 's'} in {format_seconds(report.seconds)}"
    if count:
        line += f", {report.volumes_per_hour:.0f} volumes/h"
    if report.skipped:
        line += f"; finished before: {report.skipped}"
    console.print(line)
    for path in written:
        console.print(f"wrote {path}", markup=False, soft_wrap=True)
    console.print(f"{RESEARCH_NOTE}.", style="dim")
