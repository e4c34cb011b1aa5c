"""Dice of the regions: patient by patient on held-out slices, and of the kidneys in a volume."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import keras
import numpy as np
import typer
from data import REGIONS, Floats, LabelledSlice, load, reduce_image, reduce_label, split
from numpy.typing import NDArray
from rich.table import Table

from edgeseg.errors import EdgesegError
from edgeseg.manifest import Decoding, Preprocessing
from edgeseg.slices import to_input, to_model, to_native, to_probabilities
from edgeseg.terminal import console, messages
from edgeseg.volume import read_volume

Masks: TypeAlias = NDArray[np.bool_]
Predict: TypeAlias = Callable[[Floats], Floats]
"""Slices (N, H, W, 1) in 0..1 to region probabilities (N, H, W, 3)."""

HALF = 0.5
CALLED = 20
"""So many pixels of tumour make a slice one that the model calls a tumour slice."""
WINDOW = (0.0, 255.0)
DECODING = Decoding("sigmoid", (1, 3, 2))
SAMPLE_KIDNEYS = (2, 3)


@dataclass(frozen=True, slots=True)
class PatientScore:
    """Dice of each region over all slices of one patient; ``nan`` where the truth is empty.

    ``false_tumor`` counts those of the ``tumor_free`` slices that the model calls tumour slices.
    """

    patient: str
    source: str
    slices: int
    dice: tuple[float, ...]
    tumor_free: int
    false_tumor: int


def score(predict: Predict, slices: Sequence[LabelledSlice], size: int) -> tuple[PatientScore, ...]:
    """Score a model patient by patient, at the model's own resolution."""
    patients = dict.fromkeys(piece.patient for piece in slices)
    return tuple(
        _score_patient(predict, [piece for piece in slices if piece.patient == patient], size)
        for patient in patients
    )


def mean_dice(scores: Sequence[PatientScore], region: str) -> float:
    """Average over the patients who have the region."""
    column = [one.dice[list(REGIONS).index(region)] for one in scores]
    known = [value for value in column if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def dice(found: Masks, truth: Masks) -> float:
    """Dice of two masks of one shape; ``nan`` if the truth is empty."""
    if not truth.any():
        return float("nan")
    return 2 * float((found & truth).sum()) / float(found.sum() + truth.sum())


def kidney_masks(predict: Predict, ct: Path, size: int) -> Masks:
    """Find kidneys and masses in a CT volume, slice by slice as the running system does.

    Returns
    -------
    Masks
        (slices, rows, columns) in display orientation, at the volume's own resolution.
    """
    volume = read_volume(ct)
    preprocessing = Preprocessing(WINDOW, (size, size))
    masks = []
    for index in range(len(volume)):
        geometry = volume.geometry(index)
        grey = to_model(volume.slice(index), geometry, preprocessing, windowed=False)
        probabilities = to_probabilities(predict(to_input(grey, preprocessing)))
        masks.append(to_native(probabilities, geometry, preprocessing, DECODING) > 0)
    return np.stack(masks)


def _score_patient(predict: Predict, slices: Sequence[LabelledSlice], size: int) -> PatientScore:
    """Dice over one patient's slices together."""
    images = np.stack([reduce_image(piece.image, size, size) for piece in slices])
    truth = np.stack([reduce_label(piece.label, size, size) for piece in slices]) > 0
    found = predict(np.divide(images[..., None], 255, dtype=np.float32)) >= HALF
    free = ~truth[..., -1].any(axis=(1, 2))
    called = found[..., -1].sum(axis=(1, 2)) >= CALLED
    return PatientScore(
        slices[0].patient,
        slices[0].source,
        len(slices),
        tuple(dice(found[..., region], truth[..., region]) for region in range(len(REGIONS))),
        int(free.sum()),
        int((free & called).sum()),
    )


def _table(scores: Sequence[PatientScore]) -> Table:
    """One row a patient, and their mean."""
    table = Table("patient", "slices", *REGIONS, "false tumor")
    for one in scores:
        cells = ["-" if np.isnan(value) else f"{value:.3f}" for value in one.dice]
        table.add_row(one.patient, str(one.slices), *cells, f"{one.false_tumor}/{one.tumor_free}")
    means = [f"{mean_dice(scores, region):.3f}" for region in REGIONS]
    false, free = sum(one.false_tumor for one in scores), sum(one.tumor_free for one in scores)
    table.add_row("mean", str(sum(one.slices for one in scores)), *means, f"{false}/{free}")
    return table


def main(
    model: Annotated[Path, typer.Argument(help="A .keras file of this family.")],
    data: Annotated[Path, typer.Option(envvar="EDGESEG_DATA", help="Folder of the CT data.")],
    hold_out: Annotated[str, typer.Option(help="Patients to measure on, commas between.")],
) -> None:
    """Print the Dice of held-out patients and of the kidneys in the sample volume."""
    network: Any = keras.models.load_model(model, compile=False)
    size = int(network.input_shape[1])

    def predict(slices: Floats) -> Floats:
        return np.asarray(network(slices, training=False))

    sample = data / "totalsegmentator"
    try:
        _, validation = split(load(data), hold_out.split(","))
        labels = read_volume(sample / "example_seg_fast_force_split.nii.gz")
        found = kidney_masks(predict, sample / "example_ct.nii.gz", size)
    except EdgesegError as error:
        messages.print(f"error: {error}")
        raise typer.Exit(error.exit_code) from error
    for source in dict.fromkeys(piece.source for piece in validation):
        console.print(source)
        console.print(_table(score(predict, [p for p in validation if p.source == source], size)))
    kidneys = np.isin(labels.voxels, SAMPLE_KIDNEYS)
    shown = kidneys.any(axis=(1, 2))
    console.print(f"sample volume, kidneys: Dice {dice(found, kidneys):.3f} over all slices,")
    console.print(f"{dice(found[shown], kidneys[shown]):.3f} in the {shown.sum()} that show them")


if __name__ == "__main__":
    typer.run(main)
