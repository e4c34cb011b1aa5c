"""Scores predicted masks against the truth, case by case, as the KiTS challenge does."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import msgspec
import numpy as np

from edgeseg.bundle.rules import Rule
from edgeseg.errors import VolumeError
from edgeseg.files.atomic import atomic_path
from edgeseg.imaging.grid import Grid, size_mismatch
from edgeseg.imaging.nifti import read_volume
from edgeseg.imaging.png import PICTURE, read_pictures
from edgeseg.imaging.slices import Mask
from edgeseg.labelled.labels import KITS_LABELS, KITS_VALUES, to_kits
from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg.postprocess.apply import postprocess as postprocess_masks
from edgeseg.postprocess.report import NOTHING_CHANGED, PostprocessReport
from edgeseg.postprocess.rules_file import NONE, read_rules
from edgeseg.postprocess.voxel_size import VoxelSize
from edgeseg.progress import Progress, silent
from edgeseg.scoring.dice import KITS_TOLERANCES_MM, region_dice, region_surface_dice
from edgeseg.scoring.false_volume import FalseVolumes, false_volumes, region_ml
from edgeseg.scoring.pairing import CasePair, pair_cases
from edgeseg.scoring.surface_dice import bounding_box

_COLUMNS = {"kidney_and_mass": "kidney", "mass": "masses", "tumor": "tumor"}
_SAME_PLACE_MM = 1e-3
"""How far two grids may differ anywhere: headers keep 32-bit numbers."""


class Score(msgspec.Struct, frozen=True):
    """How well one case agrees with its truth, by region.

    Pictures have no surface Dice and no volumes: nobody knows their spacing.

    Attributes
    ----------
    truth_ml, predicted_ml
        Volume of each region, in mL.
    postprocess
        What post-processing changed in the prediction before it was scored.
    dice_before
        Dice before post-processing; None without.
    """

    case: str
    dice: dict[str, float]
    surface_dice: dict[str, float] | None
    truth_ml: dict[str, float] | None = None
    predicted_ml: dict[str, float] | None = None
    postprocess: PostprocessReport = NOTHING_CHANGED
    dice_before: dict[str, float] | None = None


class Evaluation(msgspec.Struct, frozen=True):
    """The scores of all cases, and figures over them.

    Attributes
    ----------
    average
        The mean over cases, each of equal weight.
    tolerances_mm
        Of surface Dice, by region.
    false_volumes
        By region that some volume's truth lacks, what is found there all the same.
    """

    cases: tuple[Score, ...]
    average: Score
    tolerances_mm: Mapping[str, float]
    false_volumes: dict[str, FalseVolumes]
    research_note: str = RESEARCH_NOTE


@dataclass(frozen=True, slots=True)
class Labels:
    """A label mask and where its voxels lie.

    Attributes
    ----------
    values
        (slices, rows, columns) in display orientation, or (rows, columns) of a picture.
    grid
        None for a picture.
    """

    values: Mask
    grid: Grid | None


def score(pair: CasePair, rules: Sequence[Rule] = ()) -> Score:
    """Compare one prediction with its truth.

    Parameters
    ----------
    pair
        The files of the case.
    rules
        Post-processing of the prediction before it is scored.

    Raises
    ------
    VolumeError
        If a file can't be read, holds anything but KiTS labels, or the two do not lie on one grid.
    """
    truth, prediction = read_labels(pair.truth), read_labels(pair.prediction)
    if problem := _mismatch(prediction, truth):
        raise VolumeError(
            f"{pair.prediction} does not lie on the grid of {pair.truth}: {problem}; "
            "give the mask of that very scan"
        )
    if not rules:
        return _scored(pair.case, truth, prediction)
    processed, changes = _postprocessed(prediction, rules)
    return msgspec.structs.replace(
        _scored(pair.case, truth, processed),
        postprocess=changes,
        dice_before=region_dice(truth.values, prediction.values),
    )


def read_labels(path: Path) -> Labels:
    """Read a NIfTI or PNG of KiTS labels, 0 to 3.

    Raises
    ------
    VolumeError
        If it can't be read or holds other values.
    """
    if path.suffix.lower() == PICTURE:
        return Labels(to_kits(read_pictures(path).slice(0), KITS_VALUES, path), None)
    volume = read_volume(path)
    values = np.empty(volume.voxels.shape, np.uint8)
    for index, plane in enumerate(volume.voxels):
        values[index] = to_kits(plane, KITS_VALUES, path)
    return Labels(values, volume.grid)


def evaluate(
    predictions: Path | str,
    truth: Path | str,
    progress: Progress = silent,
    postprocess: str = NONE,
) -> Evaluation:
    """Score masks against the truth as the KiTS challenge does.

    Parameters
    ----------
    predictions
        Folder of masks (``NAME.nii.gz`` or ``NAME.png``), or one mask.
    truth
        The same of the truth; ``NAME/segmentation.nii.gz`` as in KiTS, too.
    progress
        Is told of each case.
    postprocess
        Rules that are applied to the masks before they are scored: a preset, a TOML file or
        ``none``.

    Raises
    ------
    UsageError
        If one is a file and the other a folder, or the rules can't be used.
    VolumeError
        If the two do not hold the same cases, a file can't be read or holds anything but KiTS
        labels, or a mask does not lie on the grid of its truth.
    """
    pairs = pair_cases(Path(predictions), Path(truth))
    return evaluate_pairs(pairs, progress, read_rules(postprocess, KITS_LABELS))


def evaluate_pairs(
    pairs: Sequence[CasePair], progress: Progress = silent, rules: Sequence[Rule] = ()
) -> Evaluation:
    """Score all pairs, one after another, their predictions post-processed by rules.

    Raises
    ------
    VolumeError
        As for :func:`score`.
    """
    cases = []
    with progress(len(pairs), "Scoring") as advance:
        for pair in pairs:
            cases.append(score(pair, rules))
            advance()
    volumes = [(case.truth_ml, case.predicted_ml) for case in cases]
    return Evaluation(tuple(cases), average(cases), KITS_TOLERANCES_MM, false_volumes(volumes))


def average(scores: Sequence[Score]) -> Score:
    """Return the mean over cases, each case with equal weight."""
    dice = _mean([case.dice for case in scores])
    surface = [case.surface_dice for case in scores if case.surface_dice is not None]
    before = [case.dice_before for case in scores if case.dice_before is not None]
    return Score(
        "average",
        dice,
        _mean(surface) if surface else None,
        dice_before=_mean(before) if before else None,
    )


def write_csv(target: Path, evaluation: Evaluation) -> None:
    """Write a row for each case and the row ``average``, as the KiTS challenge does.

    Raises
    ------
    OutputError
        If it can't be written; nothing half-written is left.
    """
    with atomic_path(target) as path, path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["caseID", *figures(evaluation.average)])
        for case in (*evaluation.cases, evaluation.average):
            writer.writerow([case.case, *(f"{value:.8f}" for value in figures(case).values())])


def figures(case: Score) -> dict[str, float]:
    """Return all figures of a case by their names in ``evaluation.csv``."""
    measures = {"Dice": case.dice, "SD": case.surface_dice or {}}
    return {
        f"{measure}_{_COLUMNS[region]}": value
        for measure, values in measures.items()
        for region, value in values.items()
    }


def _scored(case: str, truth: Labels, prediction: Labels) -> Score:
    box = bounding_box((truth.values != 0) | (prediction.values != 0))
    cropped = truth.values[box], prediction.values[box]
    if truth.grid is None:
        return Score(case, region_dice(*cropped), None)
    surface = region_surface_dice(*cropped, truth.grid.spacing)
    unit = _voxel(truth.grid).ml
    true_ml, predicted_ml = (region_ml(labels, unit) for labels in cropped)
    return Score(case, region_dice(*cropped), surface, true_ml, predicted_ml)


def _postprocessed(prediction: Labels, rules: Sequence[Rule]) -> tuple[Labels, PostprocessReport]:
    """Apply rules to a prediction; a picture is one slice, for which all rules are left out."""
    grid = prediction.grid
    planes = [prediction.values] if grid is None else list(prediction.values)
    voxel = None if grid is None else _voxel(grid)
    name = (lambda _: "the picture") if grid is None else grid.slice_name
    masks, changes = postprocess_masks(planes, rules, KITS_LABELS, voxel, name)
    return Labels(masks[0] if grid is None else np.stack(masks), grid), changes


def _voxel(grid: Grid) -> VoxelSize:
    return VoxelSize(grid.slice_mm, *grid.spacing[1:])


def _mismatch(prediction: Labels, truth: Labels) -> str | None:
    """Return how the grids of two masks differ, or None; of a picture only the size is known."""
    if prediction.grid and truth.grid:
        return prediction.grid.mismatch(truth.grid, _SAME_PLACE_MM)
    return size_mismatch(prediction.values.shape, truth.values.shape)


def _mean(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: fmean(case[name] for case in figures) for name in figures[0]}
