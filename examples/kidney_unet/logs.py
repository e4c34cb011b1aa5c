"""A training's log: one row an epoch, as CSV."""

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import msgspec
from fit import EpochLog

from edgeseg.files.atomic import atomic_path


def read_log(path: Path) -> list[EpochLog]:
    """Read the rows of an earlier training."""
    with path.open(newline="") as file:
        return msgspec.convert(list(csv.DictReader(file)), list[EpochLog], strict=False)


def write_log(path: Path, rows: Sequence[EpochLog]) -> None:
    """Write all rows: a resumed training's log has no epoch twice."""
    with atomic_path(path) as part, part.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(column.name for column in fields(EpochLog))
        writer.writerows([f"{value:.6g}" for value in asdict(row).values()] for row in rows)


def in_words(row: EpochLog) -> str:
    """One epoch in words."""
    left = row.seconds / row.done * (1 - min(row.done, 1)) / 60
    text = f"epoch {row.epoch}: loss {row.loss:.3f}, {left:.0f} min left"
    if math.isnan(row.kidney_and_mass):
        return text
    return f"{text}, held out: kidney_and_mass {row.kidney_and_mass:.3f}, tumor {row.tumor:.3f}"
