"""A comparison as tables for people and as CSV for their spreadsheets."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from edgeseg.files.atomic import atomic_path
from edgeseg.output.terminal import figure_table
from edgeseg.text.units import format_bytes
from edgeseg_converters.compare.accuracy import SPECK
from edgeseg_converters.compare.comparison import ComparedModel, Comparison, RegionFigures

NOTHING = "-"
"""What stands in a table where there is no figure."""


def tables(comparison: Comparison) -> Iterator[Table]:
    """Lay the comparison out in 100 columns: Dice and cost, differences, false findings."""
    yield _dice_table(comparison)
    yield _difference_table(comparison)
    if any(figures.absent_slices for figures in comparison.model.regions):
        yield _false_table(comparison)


def write_comparison_csv(path: Path, comparison: Comparison) -> None:
    """Write all figures, one row for the model and one for each bundle.

    Raises
    ------
    OutputError
        If the file can't be written; nothing half-written is left.
    """
    rows = [_csv_row(entry, comparison) for entry in comparison.entries]
    with atomic_path(path) as target, target.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def percent(share: float) -> str:
    """Write a share with two decimals, and as 100 % only what is all of it."""
    return "100 %" if share == 1 else f"{min(share * 100, 99.99):.2f} %"


def scope(comparison: Comparison) -> str:
    """Say how much was compared: ``62 slices of 27 patients``."""
    patients = len(comparison.patients)
    return (
        f"{comparison.slices} slice{'s' * (comparison.slices > 1)} of "
        f"{patients} patient{'s' * (patients > 1)}"
    )


def _dice_table(comparison: Comparison) -> Table:
    shown = comparison.shown_regions
    table = figure_table(
        ("network",),
        (*shown, "agree", "size", "ms/slice", "peak"),
        title=f"Dice on {scope(comparison)}",
        caption="time and memory of all pieces in one process, one thread of this machine",
    )
    for entry in comparison.entries:
        table.add_row(
            escape(entry.name),
            *(_figure(figures.dice) for figures in _shown(entry, shown)),
            NOTHING if entry.mask_agreement is None else percent(entry.mask_agreement),
            format_bytes(entry.bytes),
            NOTHING if entry.ms_per_slice is None else f"{entry.ms_per_slice:.1f}",
            NOTHING if entry.peak_memory_bytes is None else format_bytes(entry.peak_memory_bytes),
        )
    return table


def _difference_table(comparison: Comparison) -> Table:
    shown = comparison.shown_regions
    patients = (len(figures.dice_of) for figures in _shown(comparison.model, shown))
    table = figure_table(
        ("network",),
        [f"{region}, n = {count}" for region, count in zip(shown, patients, strict=True)],
        title="Bundle minus model, mean ± sd over patients",
    )
    for entry in comparison.bundles:
        table.add_row(escape(entry.name), *map(_difference, _shown(entry, shown)))
    return table


def _false_table(comparison: Comparison) -> Table:
    regions = [figures.region for figures in comparison.model.regions if figures.absent_slices]
    table = figure_table(
        ("network",),
        regions,
        title="Slices that show what the truth lacks",
        caption=f"in {SPECK} pixels or more",
    )
    for entry in comparison.entries:
        shares = (
            f"{figures.false_slices}/{figures.absent_slices}"
            for figures in entry.regions
            if figures.absent_slices
        )
        table.add_row(escape(entry.name), *shares)
    return table


def _shown(entry: ComparedModel, regions: tuple[str, ...]) -> Iterator[RegionFigures]:
    return (figures for figures in entry.regions if figures.region in regions)


def _figure(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"


def _difference(figures: RegionFigures) -> str:
    if figures.difference is None:
        return NOTHING
    spread = "" if figures.spread is None else f" ± {figures.spread:.4f}"
    return f"{round(figures.difference, 4) + 0.0:+.4f}{spread}"


def _csv_row(entry: ComparedModel, comparison: Comparison) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": entry.name,
        "path": entry.path,
        "bytes": entry.bytes,
        "ms_per_slice": entry.ms_per_slice,
        "peak_memory_bytes": entry.peak_memory_bytes,
        "mask_agreement": entry.mask_agreement,
        "slices": comparison.slices,
        "patients": len(comparison.patients),
    }
    for figures in entry.regions:
        row |= {
            f"{figures.region}_dice": figures.dice,
            f"{figures.region}_difference": figures.difference,
            f"{figures.region}_spread": figures.spread,
            f"{figures.region}_patients": len(figures.dice_of),
            f"{figures.region}_false_slices": figures.false_slices,
            f"{figures.region}_absent_slices": figures.absent_slices,
        }
    return row
