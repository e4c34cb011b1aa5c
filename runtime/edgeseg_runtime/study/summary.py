"""The summary of a study as CSV: a line a volume, with amounts, flags and errors."""

import csv
from collections.abc import Sequence
from pathlib import Path

from edgeseg.bundle.manifest import Label
from edgeseg.files.atomic import atomic_path
from edgeseg_runtime.study.record import Failure, Record, VolumeOutcome

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def flags_of(record: Record) -> tuple[str, ...]:
    """Return what deserves a look: nothing found, a label cut off, a warning of the scan."""
    labels = record.statistics.labels
    labels_found = [label.name for label in labels if label.voxels]
    edges = [label.name for label in labels if label.touches_first_or_last_slice]
    return (
        *(() if labels_found else ("nothing found",)),
        *((f"first or last slice holds {', '.join(edges)}",) if edges else ()),
        *((record.warning,) if record.warning else ()),
    )


def write_summary(path: Path, outcomes: Sequence[VolumeOutcome], labels: Sequence[Label]) -> None:
    """Write a CSV: volume, seconds, slices, mL of each label, flags, error.

    mL are left out where a scan has no spacing.

    Raises
    ------
    OutputError
        If it can't be written; nothing half-written is left.
    """
    names = [label.name for label in labels]
    header = ("volume", "seconds", "slices", *(f"{name} mL" for name in names), "flags", "error")
    with atomic_path(path) as target, target.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows(_row(outcome, names) for outcome in outcomes)


def _row(outcome: VolumeOutcome, names: Sequence[str]) -> tuple[object, ...]:
    if isinstance(outcome, Failure):
        empty = ("" for _ in range(len(names) + 3))
        return (_text(outcome.volume), *empty, _text(outcome.error))
    amounts = {label.name: label.volume_ml for label in outcome.statistics.labels}
    return (
        _text(outcome.volume),
        f"{outcome.seconds:.3f}",
        outcome.statistics.slices,
        *(_amount(amounts.get(name)) for name in names),
        _text("; ".join(flags_of(outcome))),
        "",
    )


def _text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: names may be of any origin."""
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _amount(volume_ml: float | None) -> str:
    return "" if volume_ml is None else f"{volume_ml:.2f}"
