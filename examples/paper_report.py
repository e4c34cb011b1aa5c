"""The paper's systems side by side: table, CSV, and why the figures are not the paper's."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.table import Table

from edgeseg.files.atomic import atomic_path
from edgeseg.output.terminal import RESEARCH_NOTE, figure_table
from edgeseg.text.units import format_bytes

WIDTH = 110
"""Columns that the table may take."""
UNKNOWN = "-"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one system; None where it has no such figure.

    ``sparsity`` and ``pixel_accuracy`` are shares; Dice is the mean over the patients who have
    the region. Time and memory are those of all pieces in one process, one thread.
    """

    system: str
    parameters: int | None = None
    flops: int | None = None
    sparsity: float | None = None
    pieces: int | None = None
    bytes: int | None = None
    ms_per_slice: float | None = None
    peak_memory_bytes: int | None = None
    pixel_accuracy: float
    kidney_and_mass: float | None
    tumor: float | None


class Training(msgspec.Struct, frozen=True):
    """How long a network was trained."""

    network: str
    minutes: float
    epochs: int


class Conditions(msgspec.Struct, frozen=True):
    """Under what conditions the figures came about."""

    sources: tuple[str, ...]
    training_slices: int
    training_patients: int
    slices: int
    patients: tuple[str, ...]
    trainings: tuple[Training, ...]


class Reproduction(msgspec.Struct, frozen=True):
    """All systems on the same held-out slices."""

    rows: tuple[Row, ...]
    conditions: Conditions
    notes: tuple[str, ...]
    research_note: str = RESEARCH_NOTE


def table_of(rows: Sequence[Row]) -> Table:
    """Lay the systems out in :data:`WIDTH` columns."""
    cost = ("parameters", "FLOPs", "sparsity", "pieces", "size", "ms/slice")
    worth = ("pixels\nright", "Dice\nkidney_and_mass", "Dice\ntumor")
    table = figure_table(["system"], [*cost, *worth])
    for row in rows:
        table.add_row(
            row.system,
            _shown(row.parameters, ","),
            _shown(row.flops, ","),
            _shown(row.sparsity, ".1%"),
            _shown(row.pieces, "d"),
            UNKNOWN if row.bytes is None else format_bytes(row.bytes),
            _shown(row.ms_per_slice, ".0f"),
            f"{row.pixel_accuracy:.2%}",
            _shown(row.kidney_and_mass, ".3f"),
            _shown(row.tumor, ".3f"),
        )
    return table


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write all figures, one row a system.

    Raises
    ------
    OutputError
        If the file can't be written; nothing half-written is left.
    """
    with atomic_path(path) as target, target.open("w", newline="") as file:
        writer = csv.DictWriter(file, Row.__struct_fields__)
        writer.writeheader()
        writer.writerows(msgspec.structs.asdict(row) for row in rows)


def notes_of(conditions: Conditions, background: float, wp_ratio: float) -> Iterator[str]:
    """Say what was measured, and why the paper's 97.3 and 97.91 % are other figures.

    Parameters
    ----------
    background
        Share of background among the pixels measured.
    wp_ratio
        Pruning ratio of the WP-UNet-style network.
    """
    held_out, sources = len(conditions.patients), " and ".join(conditions.sources)
    trained = "; ".join(
        f"{one.network} {one.minutes:.0f} min, {one.epochs} epochs" for one in conditions.trainings
    )
    yield (
        f"Measured on {conditions.slices} slices of {held_out} held-out patients ({sources}); "
        f"trained on {conditions.training_slices} slices of {conditions.training_patients} others: "
        f"{trained}."
    )
    yield f"The masks of UNet-P equal those of UNet on all {conditions.slices} slices."
    yield "Why pixel accuracy is not the paper's 97.3 and 97.91 %, and why that says little:"
    yield (
        f"- Background decides it: a mask that shows nothing is right on {background:.2%} of the "
        "pixels here. The share differs from one choice of slices to the next, and the figure "
        "with it; Dice leaves background out."
    )
    yield (
        "- The paper took whole KiTS23 cases and a split of its own; here are the slices named "
        "above, and no patient is both trained on and measured on."
    )
    yield (
        "- Training: minutes on a CPU as above, on that few slices, with batch normalization that "
        "is folded into UNet's kernels afterwards. Pruning comes after it, once, without "
        "fine-tuning."
    )
    yield (
        "- A pixel counts as right when its label is: background, kidney, tumour or cyst, on the "
        "slice's own grid."
    )
    yield (
        "FLOPs are 2 x multiply-accumulates, a transposed convolution counted on its input grid, "
        "as in the paper's Table 1; its section 3 counts more for the same network. Zeros are "
        "counted too: nothing here skips them."
    )
    yield (
        "SD-UNet-style has separable convolutions with batch norm, where SD-UNet has group norm "
        f"and weight standardization; WP-UNet-style is that network pruned at {wp_ratio:g}, where "
        "WP-UNet mixes separable and full convolutions."
    )


def _shown(value: float | None, form: str) -> str:
    return UNKNOWN if value is None else format(value, form)
