"""Cross-validate by patient: ``python cross_validate.py --data FOLDER -o FOLDER``."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import typer
from curves import draw_curves
from fit import Plan
from logs import read_log
from measure import measure, segmenter_of
from outlines import draw_outlines, worst
from refusals import errors_in_one_line
from tally import Tally, table_of, tally, write_tallies
from train import Network, Run, set_up, train

from edgeseg.errors import UsageError
from edgeseg.labelled import LabelledSlice, read_labelled, split
from edgeseg.output.terminal import console, messages
from edgeseg_converters.compare.accuracy import PatientScore

SHOWN = 12
"""So many of the worst slices are drawn."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Some patients held out, and the model that never saw them."""

    number: int
    patients: tuple[str, ...]
    run: Run


def deal(slices: Sequence[LabelledSlice], folds: int, seed: int) -> list[tuple[str, ...]]:
    """Deal patients to folds, those of each source evenly.

    Raises
    ------
    UsageError
        If there are fewer patients than folds.
    """
    patients = {piece.patient: piece.source for piece in slices}
    if len(patients) < folds:
        raise UsageError(f"{len(patients)} patients can't make {folds} folds; ask for fewer")
    rng = np.random.default_rng(seed)
    dealt: list[str] = []
    for source in sorted(set(patients.values())):
        own = sorted(name for name, where in patients.items() if where == source)
        dealt += [own[index] for index in rng.permutation(len(own))]
    return [tuple(sorted(dealt[start::folds])) for start in range(folds)]


def train_fold(fold: Fold, slices: Sequence[LabelledSlice], plan: Plan) -> None:
    """Train a fold's model, on from its checkpoint if there is one."""
    known, held_out = split(slices, fold.patients)
    messages.print(f"fold {fold.number}: {', '.join(fold.patients)}")
    train(fold.run, known, held_out, plan, resume=fold.run.checkpoint.is_file())


def score_fold(
    fold: Fold, slices: Sequence[LabelledSlice], *, mirror: bool = False
) -> tuple[PatientScore, ...]:
    """Score a fold's model on the patients it never saw."""
    model = keras.models.load_model(fold.run.model, compile=False)
    segmenter = segmenter_of(model, mirror=mirror)
    return measure(segmenter, split(slices, fold.patients)[1])


def not_seen(
    slices: Sequence[LabelledSlice], sources: Collection[str]
) -> tuple[LabelledSlice, ...]:
    """Leave out all slices of the patients that these sources show.

    Raises
    ------
    UsageError
        If there is no such source.
    """
    if unknown := sorted(set(sources) - {piece.source for piece in slices}):
        raise UsageError(f"no slices are of {unknown[0]}; give names of folders in the data")
    seen = {piece.patient for piece in slices if piece.source in sources}
    return tuple(piece for piece in slices if piece.patient not in seen)


def folds_of(slices: Sequence[LabelledSlice], start: Run, count: int, seed: int) -> list[Fold]:
    """Make the folds, whose models stand beside that of ``start`` and begin as it does.

    Raises
    ------
    UsageError
        If there are fewer patients than folds.
    """
    return [
        Fold(number, patients, replace(start, model=start.model.with_name(f"fold{number}.keras")))
        for number, patients in enumerate(deal(slices, count, seed))
    ]


def score_folds(
    folds: Sequence[Fold],
    slices: Sequence[LabelledSlice],
    folder: Path,
    *,
    mirror: bool = False,
) -> list[Tally]:
    """Score every slice; write ``slices.csv``, ``curves.png`` and ``errors.png``.

    With ``mirror`` the mean of each slice and its mirror image is scored, and only
    ``slices-mirror.csv`` is written.

    Raises
    ------
    OutputError
        If one can't be written.
    """
    scored = [(fold, score_fold(fold, slices, mirror=mirror)) for fold in folds]
    tallies = [one for fold, some in scored for one in tally(fold.number, slices, some)]
    if mirror:
        write_tallies(folder / "slices-mirror.csv", tallies)
        return tallies
    write_tallies(folder / "slices.csv", tallies)
    logs = {f"fold {fold.number}": read_log(fold.run.log) for fold in folds}
    draw_curves(logs, folder / "curves.png")
    scores = tuple(one for _, some in scored for one in some)
    draw_outlines(worst(slices, scores, SHOWN), folder / "errors.png")
    return tallies


def main(  # noqa: PLR0913 - a command line
    *,
    data: Annotated[Path, typer.Option(envvar="EDGESEG_DATA", help="Labelled slices.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for models and scores.")],
    folds: Annotated[int, typer.Option(min=2, help="How many times patients are held out.")] = 4,
    only: Annotated[int | None, typer.Option(min=0, help="Train and score just this fold.")] = None,
    base: Annotated[int, typer.Option(min=1, help="Channels of the first level.")] = 16,
    depth: Annotated[int, typer.Option(min=1, help="How many times the slice is halved.")] = 4,
    start: Annotated[
        Path | None, typer.Option(help="Begin with the weights of this .keras file.")
    ] = None,
    seen: Annotated[
        str, typer.Option(help="Sources whose patients it saw: in every training, in no fold.")
    ] = "",
    epochs: Annotated[int, typer.Option(min=1, help="Stop after so many epochs.")] = 360,
    minutes: Annotated[float, typer.Option(min=0.1, help="Or after so many minutes.")] = math.inf,
    rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 2e-3,
    seed: Annotated[int, typer.Option(help="Decides folds and weights.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of TensorFlow.")] = 2,
    bfloat16: Annotated[
        bool, typer.Option("--bfloat16", help="Multiply in bfloat16: faster where hardware can.")
    ] = False,
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Score mirror images as well: twice the time.")
    ] = False,
) -> None:
    """Train a model for each fold, and score every patient with the model that never saw them.

    A stopped run goes on where it was.
    """
    set_up(threads, bfloat16=bfloat16)
    plan = Plan(epochs, minutes, batch=4, rate=rate, seed=seed)
    with errors_in_one_line():
        slices = read_labelled(data)
        output.mkdir(parents=True, exist_ok=True)
        run = Run(output / "model.keras", Network(base, depth), start)
        apart = not_seen(slices, [name for name in seen.split(",") if name])
        every = folds_of(apart, run, folds, seed)
        asked = [fold for fold in every if only in {None, fold.number}]
        for fold in asked:
            train_fold(fold, slices, plan)
        console.print(table_of(score_folds(asked, slices, output)))
        if mirror:
            console.print("each slice averaged with its mirror image")
            console.print(table_of(score_folds(asked, slices, output, mirror=True)))


if __name__ == "__main__":
    typer.run(main)
