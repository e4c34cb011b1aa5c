"""The slices that a model errs on most, as outlines of what is there and of what it found."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from data import Bytes
from matplotlib.figure import Figure

from edgeseg.files.atomic import atomic_path
from edgeseg.labelled import UNKNOWN, LabelledSlice, by_patient
from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg.scoring.dice import KITS_REGIONS, region_dice
from edgeseg_converters.compare.accuracy import PatientScores

COLUMNS = 6
REGIONS = {"kidney_and_mass": "tab:green", "tumor": "tab:red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One slice: its labels, and what was found."""

    name: str
    truth: Bytes
    found: Bytes

    @property
    def wrong(self) -> int:
        """Pixels with the wrong label."""
        return int(np.count_nonzero(self.truth != self.found))


def worst(slices: Sequence[LabelledSlice], scores: PatientScores, count: int) -> list[Finding]:
    """Return the slices with the most wrong pixels, of each patient the worst alone.

    Parameters
    ----------
    scores
        Of the patients of these slices.
    """
    groups = by_patient(slices)
    findings = [
        max(_findings(groups[one.patient], one.masks), key=lambda finding: finding.wrong)
        for one in scores
    ]
    return sorted(findings, key=lambda finding: finding.wrong, reverse=True)[:count]


def draw_outlines(findings: Sequence[Finding], path: Path) -> None:
    """Write a PNG: a panel a slice, the truth filled, what was found as lines; no CT is shown.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    rows = -(-len(findings) // COLUMNS)
    figure = Figure(figsize=(2 * COLUMNS, 2.4 * rows + 0.4), layout="constrained")
    for finding, axes in zip(findings, figure.subplots(rows, COLUMNS).flat, strict=False):
        _draw(axes, finding)
    for axes in figure.axes:
        axes.set(xticks=[], yticks=[], aspect="equal")
    words = "filled: label, line: found; green kidney and mass, red tumour. "
    figure.supxlabel(words + RESEARCH_NOTE, fontsize=8, color="grey")
    with atomic_path(path) as part:
        figure.savefig(part, format="png", dpi=80)


def _findings(group: Sequence[LabelledSlice], masks: Sequence[Any]) -> Iterator[Finding]:
    for piece, mask in zip(group, masks, strict=True):
        label = piece.read()[1]
        truth = np.where(label == UNKNOWN, np.uint8(0), label)
        yield Finding(piece.name, truth, mask.unpack())


def _draw(axes: Any, finding: Finding) -> None:
    for region, color in REGIONS.items():
        labels = KITS_REGIONS[region]
        truth, found = (np.isin(mask, labels) for mask in (finding.truth, finding.found))
        if truth.any():
            axes.contourf(truth, levels=[0.5, 1.5], colors=[color], alpha=0.35)
        if found.any():
            axes.contour(found, levels=[0.5], colors=[color], linewidths=1)
    axes.set(xlim=(0, finding.truth.shape[1]), ylim=(finding.truth.shape[0], 0))
    kidney, tumor = (region_dice(finding.truth, finding.found)[region] for region in REGIONS)
    axes.set_title(f"{finding.name}\nDice {kidney:.2f}, tumor {tumor:.2f}", fontsize=7)
