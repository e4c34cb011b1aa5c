"""The course of trainings as a picture: loss, and Dice of the held-out patients."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from fit import EpochLog
from matplotlib.figure import Figure

from edgeseg.files.atomic import atomic_path
from edgeseg.output.terminal import RESEARCH_NOTE

STYLES = {"kidney_and_mass": "-", "tumor": "--"}


def draw_curves(courses: Mapping[str, Sequence[EpochLog]], path: Path) -> None:
    """Write a PNG: training loss to the left, held-out Dice to the right, both over epochs.

    Parameters
    ----------
    courses
        The log of each training, by its name.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, (name, rows) in enumerate(courses.items()):
        color = f"C{number}"
        left.plot([row.epoch for row in rows], [row.loss for row in rows], color=color, label=name)
        for region, style in STYLES.items():
            known = [row for row in rows if not math.isnan(getattr(row, region))]
            values = [getattr(row, region) for row in known]
            right.plot([row.epoch for row in known], values, style, color=color)
    left.set(xlabel="epoch", ylabel="loss of augmented slices")
    left.legend(loc="upper right")
    for region, style in STYLES.items():
        right.plot([], [], style, color="grey", label=region)
    right.set(xlabel="epoch", ylabel="Dice of held-out patients", ylim=(0, 1))
    right.legend(loc="lower right")
    figure.supxlabel(RESEARCH_NOTE, fontsize=7, color="grey")
    with atomic_path(path) as part:
        figure.savefig(part, format="png", dpi=90)
