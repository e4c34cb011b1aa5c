"""What a model found in each slice, counted, and the figures that the counts give."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean, median, stdev

import msgspec
import numpy as np
from rich.table import Table

from edgeseg.files.atomic import atomic_path
from edgeseg.imaging.slices import Mask
from edgeseg.labelled import LabelledSlice, by_patient
from edgeseg.output.terminal import figure_table
from edgeseg.scoring.dice import KITS_REGIONS
from edgeseg_converters.compare.accuracy import SPECK, PatientScores

ISLAND = 200
"""More pixels than this of anything, in a slice without kidneys, are a false finding."""


@dataclass(frozen=True, slots=True)
class Tally:
    """One slice at its own resolution; pixels of unknown label are not counted.

    ``kidney`` and ``tumor`` are pixels of kidney_and_mass and of tumor in the truth, ``..._found``
    those in the mask, ``..._common`` those in both.
    """

    fold: int
    source: str
    patient: str
    name: str
    kidney: int
    kidney_found: int
    kidney_common: int
    tumor: int
    tumor_found: int
    tumor_common: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Dice of patients: ``nan`` where there is none."""

    patients: int
    mean: float
    sd: float
    median: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What the card says of a set of slices.

    ``false_tumor`` of ``tumor_free`` slices show at least :data:`SPECK` pixels of a tumour,
    ``false_kidney`` of ``kidney_free`` slices more than :data:`ISLAND` pixels of anything.
    """

    slices: int
    kidney_and_mass: Spread
    tumor: Spread
    tumor_free: int
    false_tumor: int
    kidney_free: int
    false_kidney: int


def tally(fold: int, slices: Sequence[LabelledSlice], scores: PatientScores) -> list[Tally]:
    """Count what was found in the slices of these scores' patients.

    Raises
    ------
    VolumeError
        If a label can't be read.
    """
    groups = by_patient(slices)
    return [
        Tally(fold, piece.source, piece.patient, piece.name, *_counts(piece, mask.unpack()))
        for one in scores
        for piece, mask in zip(groups[one.patient], one.masks, strict=True)
    ]


def figures(tallies: Sequence[Tally]) -> Figures:
    """Sum slices up: Dice over a patient's slices of one source together, then over patients."""
    groups: dict[tuple[str, str], list[Tally]] = {}
    for one in tallies:
        groups.setdefault((one.source, one.patient), []).append(one)
    tumor_free = [one for one in tallies if not one.tumor]
    kidney_free = [one for one in tallies if not one.kidney]
    return Figures(
        len(tallies),
        _spread(_dice([(s.kidney, s.kidney_found, s.kidney_common) for s in some])
                for some in groups.values()),
        _spread(_dice([(s.tumor, s.tumor_found, s.tumor_common) for s in some])
                for some in groups.values()),
        len(tumor_free),
        sum(one.tumor_found >= SPECK for one in tumor_free),
        len(kidney_free),
        sum(one.kidney_found > ISLAND for one in kidney_free),
    )  # fmt: skip


def slice_dice(tallies: Iterable[Tally], region: str, least: int) -> Spread:
    """Dice slice by slice, where the truth has more than so many pixels of ``kidney``/``tumor``."""
    counts = [
        tuple(getattr(one, f"{region}{kind}") for kind in ("", "_found", "_common"))
        for one in tallies
        if getattr(one, region) > least
    ]
    return _spread(_dice([count]) for count in counts)


def table_of(tallies: Sequence[Tally]) -> Table:
    """One row a source, and all of them together."""
    columns = ["slices", "kidney_and_mass", "patients", "tumor", "patients"]
    table = figure_table(["source"], [*columns, "false tumor", "without kidneys, not empty"])
    for name in (*sorted({one.source for one in tallies}), "together"):
        of = figures([one for one in tallies if name in {one.source, "together"}])
        dices = [
            text
            for spread in (of.kidney_and_mass, of.tumor)
            for text in (f"{spread.mean:.3f}", str(spread.patients))
        ]
        false = f"{of.false_tumor}/{of.tumor_free}", f"{of.false_kidney}/{of.kidney_free}"
        table.add_row(name, str(of.slices), *dices, *false)
    return table


def write_tallies(path: Path, tallies: Sequence[Tally]) -> None:
    """Write one row a slice as CSV."""
    with atomic_path(path) as part, part.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(column.name for column in fields(Tally))
        writer.writerows(asdict(one).values() for one in tallies)


def read_tallies(path: Path) -> list[Tally]:
    """Read what :func:`write_tallies` wrote."""
    with path.open(newline="") as file:
        return msgspec.convert(list(csv.DictReader(file)), list[Tally], strict=False)


def _counts(piece: LabelledSlice, found: Mask) -> list[int]:
    _, truth = piece.read()
    counts = []
    for region in ("kidney_and_mass", "tumor"):
        wanted, shown = (np.isin(plane, KITS_REGIONS[region]) for plane in (truth, found))
        counts += [int(plane.sum()) for plane in (wanted, shown, wanted & shown)]
    return counts


def _dice(counts: Sequence[tuple[int, ...]]) -> float:
    wanted, found, common = map(sum, zip(*counts, strict=True))
    return 2 * common / (wanted + found) if wanted else math.nan


def _spread(values: Iterable[float]) -> Spread:
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return Spread(0, math.nan, math.nan, math.nan)
    spread = stdev(known) if len(known) > 1 else math.nan
    return Spread(len(known), fmean(known), spread, median(known))
