"""Dice of held-out patients, and what is found in the sample volume."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
import tensorflow as tf
import typer
from data import DECODING, PREPROCESSING, Bytes, Floats
from refusals import errors_in_one_line
from rich.table import Table

from edgeseg.imaging.nifti import read_volume
from edgeseg.labelled import LabelledSlice, read_labelled, split
from edgeseg.labelled.labels import TUMOR
from edgeseg.output.terminal import console, figure_table, progress
from edgeseg.scoring.dice import dice
from edgeseg_converters.compare.accuracy import PatientScore, PatientScores, SliceSegmenter, score

REGIONS = ("kidney_and_mass", "tumor")
SAMPLE = "totalsegmentator"
SAMPLE_KIDNEYS = (2, 3)


def segmenter_of(model: Any, *, mirror: bool = False) -> SliceSegmenter:
    """Run a Keras model of this family on slices of any size.

    Parameters
    ----------
    mirror
        Average the probabilities with those of the mirrored slice: twice the time.
    """

    def run(image: Any) -> Any:
        found = model(image, training=False)
        if mirror:
            turned = model(image[:, :, ::-1], training=False)
            found = (found + turned[:, :, ::-1]) / 2
        return keras.ops.cast(found, "float32")

    traced = tf.function(run, reduce_retracing=True)

    def predict(image: Floats) -> Floats:
        return np.asarray(traced(tf.constant(image)))

    return SliceSegmenter(predict, PREPROCESSING, DECODING)


def measure(segmenter: SliceSegmenter, slices: Sequence[LabelledSlice]) -> PatientScores:
    """Score labelled slices patient by patient, with a bar.

    Raises
    ------
    VolumeError
        If a slice can't be read.
    """
    with progress(len(slices), "measuring", "slices") as advance:
        return score(segmenter, slices, advance)


def mean_dice(scores: Sequence[PatientScore], region: str) -> float:
    """Average over the patients who have the region; ``nan`` if none has it."""
    known = [one.dice[region] for one in scores if not np.isnan(one.dice[region])]
    return float(np.mean(known)) if known else float("nan")


def measure_sample(segmenter: SliceSegmenter, folder: Path) -> Mapping[str, str]:
    """Return what is found in the sample volume, slice by slice, in words.

    Dice of kidneys and masses against its kidney labels, over all slices and over those alone that
    show kidneys, and the volume of tumour: its labels, TotalSegmentator's, name none.

    Raises
    ------
    VolumeError
        If the volume or its labels can't be read.
    """
    ct = read_volume(folder / "example_ct.nii.gz")
    labels = read_volume(folder / "example_seg_fast_force_split.nii.gz")
    truth = np.isin(labels.voxels, SAMPLE_KIDNEYS)
    masks = np.stack([_mask(segmenter, ct, index) for index in range(len(ct))])
    shown, found = truth.any(axis=(1, 2)), masks > 0
    millilitres = (masks == TUMOR).sum() * math.prod(ct.spacing) / 1000
    whole, inside = dice(truth, found), dice(truth[shown], found[shown])
    return {
        f"kidneys over all {len(ct)} slices": f"Dice {whole:.3f}",
        f"over the {shown.sum()} slices with kidneys": f"Dice {inside:.3f}",
        "tumour": f"{millilitres:.1f} mL",
    }


def table_of(scores: Sequence[PatientScore]) -> Table:
    """One row a patient, and their mean."""
    table = figure_table(["patient"], ["slices", *REGIONS, "false tumor"])
    for one in scores:
        figures = [f"{one.dice[region]:.3f}" for region in REGIONS]
        false = f"{one.false['tumor']}/{one.absent['tumor']}"
        table.add_row(one.patient, str(len(one.masks)), *figures, false)
    means = [f"{mean_dice(scores, region):.3f}" for region in REGIONS]
    false, absent = (sum(getattr(s, key)["tumor"] for s in scores) for key in ("false", "absent"))
    table.add_row("mean", str(sum(len(s.masks) for s in scores)), *means, f"{false}/{absent}")
    return table


def _mask(segmenter: SliceSegmenter, ct: Any, index: int) -> Bytes:
    return segmenter.mask(ct.slice(index), ct.geometry(index), windowed=ct.windowed)


def main(
    model: Annotated[Path, typer.Argument(help="A .keras file of this family.")],
    data: Annotated[Path, typer.Option(envvar="EDGESEG_DATA", help="Folder of the CT data.")],
    hold_out: Annotated[str, typer.Option(help="Patients to measure on, commas between.")] = "",
) -> None:
    """Print the Dice of held-out patients, and what is found in the sample volume."""
    segmenter = segmenter_of(keras.models.load_model(model, compile=False))
    with errors_in_one_line():
        held_out = split(read_labelled(data), hold_out.split(","))[1] if hold_out else ()
        scores = measure(segmenter, held_out)
        sample = measure_sample(segmenter, data / SAMPLE) if (data / SAMPLE).is_dir() else {}
    patients = {piece.patient: piece.source for piece in held_out}
    for source in dict.fromkeys(patients.values()):
        console.print(source)
        console.print(table_of([one for one in scores if patients[one.patient] == source]))
    for where, value in sample.items():
        console.print(f"sample volume, {where}: {value}")


if __name__ == "__main__":
    typer.run(main)
