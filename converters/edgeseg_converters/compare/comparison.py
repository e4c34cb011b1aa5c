"""Figures of a model and its bundles: means over patients, differences patient by patient.

Everything here is a pure function of scores.
"""

import math
import statistics
from collections.abc import Mapping, Sequence

import msgspec

from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg_converters.compare.accuracy import PatientScores, agreement
from edgeseg_converters.compare.footprint import Footprint


class RegionFigures(msgspec.Struct, frozen=True):
    """How well one region is segmented.

    Attributes
    ----------
    dice
        Mean over the patients who have the region; None if nobody has.
    difference
        Mean of bundle minus model over these patients.
    spread
        Standard deviation of that difference over these patients; None if there is but one.
    dice_of
        Dice of each patient who has the region.
    absent_slices, false_slices
        Slices whose truth lacks the region, and those of them in which it is found all the same.
    """

    region: str
    dice: float | None
    difference: float | None
    spread: float | None
    dice_of: dict[str, float]
    absent_slices: int
    false_slices: int

    @property
    def false_share(self) -> float | None:
        """Share of the slices without the region in which it is found; None without such slices."""
        return self.false_slices / self.absent_slices if self.absent_slices else None


class ComparedModel(msgspec.Struct, frozen=True):
    """The figures of the model or of a bundle.

    The model has no ``mask_agreement``, ``ms_per_slice`` and ``peak_memory_bytes``: TensorFlow on a
    workstation is nothing that a board's figures could be held against.
    """

    name: str
    path: str
    bytes: int
    regions: tuple[RegionFigures, ...]
    mask_agreement: float | None = None
    ms_per_slice: float | None = None
    peak_memory_bytes: int | None = None


class Comparison(msgspec.Struct, frozen=True):
    """A Keras model and its bundles on the same slices."""

    model: ComparedModel
    bundles: tuple[ComparedModel, ...]
    patients: tuple[str, ...]
    slices: int
    notes: tuple[str, ...]
    research_note: str = RESEARCH_NOTE

    @property
    def entries(self) -> tuple[ComparedModel, ...]:
        """The model, then its bundles."""
        return (self.model, *self.bundles)

    @property
    def shown_regions(self) -> tuple[str, ...]:
        """The regions that at least one patient has."""
        return tuple(figures.region for figures in self.model.regions if figures.dice is not None)


def model_entry(name: str, path: str, size: int, scores: PatientScores) -> ComparedModel:
    """Gather the figures of the Keras model; ``size`` in bytes."""
    return ComparedModel(name, path, size, region_figures(scores))


def bundle_entry(
    name: str, path: str, footprint: Footprint, scores: PatientScores, reference: PatientScores
) -> ComparedModel:
    """Gather the figures of a bundle; ``reference`` are the model's scores on the same slices."""
    return ComparedModel(
        name,
        path,
        footprint.bytes,
        region_figures(scores, reference),
        agreement(scores, reference),
        footprint.ms_per_slice,
        footprint.peak_memory_bytes,
    )


def region_figures(
    scores: PatientScores, reference: PatientScores | None = None
) -> tuple[RegionFigures, ...]:
    """Average scores over patients, and their differences to those of a reference.

    Parameters
    ----------
    scores, reference
        Of the same slices.
    """
    return tuple(_figures(region, scores, reference) for region in scores[0].dice)


def dice_by_patient(scores: PatientScores, region: str) -> dict[str, float]:
    """Return the Dice of each patient who has the region."""
    return {
        score.patient: score.dice[region] for score in scores if not math.isnan(score.dice[region])
    }


def differences(dice: Mapping[str, float], reference: Mapping[str, float]) -> list[float]:
    """Return bundle minus model, patient by patient."""
    return [dice[patient] - reference[patient] for patient in dice]


def _figures(region: str, scores: PatientScores, reference: PatientScores | None) -> RegionFigures:
    dice = dice_by_patient(scores, region)
    changes = differences(dice, dice_by_patient(reference, region)) if reference else []
    return RegionFigures(
        region=region,
        dice=_mean(list(dice.values())),
        difference=_mean(changes),
        spread=statistics.stdev(changes) if len(changes) > 1 else None,
        dice_of=dice,
        absent_slices=sum(score.absent[region] for score in scores),
        false_slices=sum(score.false[region] for score in scores),
    )


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None
