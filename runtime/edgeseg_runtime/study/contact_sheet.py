"""The contact sheet of a study: one HTML page with a card for every volume."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.bundle.manifest import Label, Manifest
from edgeseg.output.html import write_page
from edgeseg_runtime.results.statistics import LabelStatistics
from edgeseg_runtime.study.record import Failure, Record, VolumeOutcome, picture_path
from edgeseg_runtime.study.summary import flags_of

LARGEST_PICTURE = 128 * 2**10
"""Bytes; a larger picture is none that a study has written."""


@dataclass(frozen=True)
class SheetEntry:
    """The card of one volume: ``amounts`` are (label, text), ``picture`` is a data URI."""

    name: str
    picture: str | None
    amounts: tuple[tuple[Label, str], ...]
    flags: tuple[str, ...]
    error: str | None
    details: str


def write_sheet(
    path: Path, folder: Path, outcomes: Sequence[VolumeOutcome], manifest: Manifest
) -> None:
    """Write a self-contained page with a card for each volume.

    Parameters
    ----------
    path
        Where to write.
    folder
        Where the pictures of the volumes are.
    outcomes
        The outcome of each volume.
    manifest
        Names the model and the labels with their colours.

    Raises
    ------
    OutputError
        If it can't be written; nothing half-written is left.
    """
    cards = [_card(outcome, folder, manifest.labels) for outcome in outcomes]
    write_page(
        path,
        "edgeseg_runtime.study",
        "contact-sheet.html",
        model=manifest.model_name,
        labels=manifest.labels,
        cards=cards,
        failed=[card for card in cards if card.error],
    )


def _card(outcome: VolumeOutcome, folder: Path, labels: Sequence[Label]) -> SheetEntry:
    if isinstance(outcome, Failure):
        return SheetEntry(outcome.volume, None, (), (), outcome.error, "")
    return SheetEntry(
        name=outcome.volume,
        picture=_picture(picture_path(folder, outcome.volume)),
        amounts=_amounts(outcome, labels),
        flags=flags_of(outcome),
        error=None,
        details=f"{outcome.statistics.slices} slices, {outcome.seconds:.1f} s",
    )


def _amounts(record: Record, labels: Sequence[Label]) -> tuple[tuple[Label, str], ...]:
    statistics = {label.value: label for label in record.statistics.labels if label.voxels}
    return tuple(
        (label, _amount(statistics[label.value])) for label in labels if label.value in statistics
    )


def _amount(label: LabelStatistics) -> str:
    if label.volume_ml is None:
        return f"{label.voxels:,} px"
    return f"{label.volume_ml:.1f} mL"


def _picture(path: Path) -> str | None:
    try:
        if path.stat().st_size > LARGEST_PICTURE:
            return None
        content = base64.b64encode(path.read_bytes()).decode()
    except OSError:
        return None
    return f"data:image/jpeg;base64,{content}"
