"""Train a kidney U-Net: ``python train.py --data FOLDER --hold-out PATIENTS -o MODEL``."""

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
import tensorflow as tf
import typer
from data import Floats, LabelledSlice, load, split
from fit import SIZE, EpochLog, Plan, dice_and_cross_entropy, fit
from measure import mean_dice, score
from model import build

from edgeseg.errors import EdgesegError, UsageError
from edgeseg.files import atomic_path, check_writable
from edgeseg.terminal import messages

CHECK_EVERY = 10
"""So many epochs between two validations, each with a checkpoint."""


@dataclass(frozen=True, slots=True)
class Run:
    """What is trained, and where it is written."""

    model: Path
    base: int
    depth: int

    @property
    def log(self) -> Path:
        """Loss and Dice, one row an epoch."""
        return self.model.with_suffix(".csv")

    @property
    def checkpoint(self) -> Path:
        """Model with optimizer."""
        return self.model.with_suffix(".checkpoint.keras")

    def network(self, size: int | None) -> Any:
        """Build the untrained network for slices of one size, or of any."""
        return build(self.base, self.depth, batch_norm=True, separable=False, size=size)

    def begin(self, plan: Plan) -> tuple[Any, list[EpochLog]]:
        """Make a model to train; its size is open, for crops."""
        check_writable(self.model)
        keras.utils.set_random_seed(plan.seed)
        model = self.network(None)
        model.compile(keras.optimizers.Adam(plan.rate), loss=dice_and_cross_entropy)
        return model, []

    def resume(self) -> tuple[Any, list[EpochLog]]:
        """Read the checkpoint and the log up to it.

        Raises
        ------
        UsageError
            If there is none, or one of another network.
        """
        if not (self.checkpoint.is_file() and self.log.is_file()):
            raise UsageError(f"nothing to resume; {self.checkpoint} and {self.log} must exist")
        known = {"dice_and_cross_entropy": dice_and_cross_entropy}
        model: Any = keras.models.load_model(self.checkpoint, custom_objects=known)
        if model.count_params() != self.network(None).count_params():
            raise UsageError(f"{self.checkpoint} has another base or depth; give the ones it has")
        rows = _read_log(self.log)
        while rows and not _checked(rows[-1]):
            rows.pop()
        return model, rows

    def save(self, model: Any) -> None:
        """Write the checkpoint, and the model without optimizer at its fixed size."""
        fixed = self.network(SIZE)
        fixed.set_weights(model.get_weights())
        for network, path in ((model, self.checkpoint), (fixed, self.model)):
            with atomic_path(path) as part:
                network.save(part)


def train(
    run: Run,
    data: Path,
    held_out: Sequence[str],
    plan: Plan,
    *,
    resume: bool = False,
) -> list[EpochLog]:
    """Train on all but the held-out patients; write model, log and checkpoint as it goes.

    Raises
    ------
    UsageError, VolumeError, OutputError
        As :func:`data.load`, :func:`data.split` and :class:`Run` say.
    """
    slices, validation = split(load(data), held_out)
    model, rows = run.resume() if resume else run.begin(plan)
    messages.print(f"{len(slices)} slices to train on, {len(validation)} held out")
    for row in fit(model, slices, plan, rows[-1] if rows else None):
        if _checked(row):
            run.save(model)
        rows.append(_validated(row, model, validation) if _checked(row) else row)
        _write_log(run.log, rows)
        messages.print(_line(rows[-1]))
    return rows


def main(  # noqa: PLR0913 - a command line
    *,
    data: Annotated[Path, typer.Option(envvar="EDGESEG_DATA", help="Folder of the CT data.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .keras file to write.")],
    hold_out: Annotated[str, typer.Option(help="Patients to validate on, commas between.")] = "",
    base: Annotated[int, typer.Option(help="Channels of the first level.")] = 16,
    depth: Annotated[int, typer.Option(help="How many times the slice is halved.")] = 4,
    epochs: Annotated[int, typer.Option(min=1, help="Stop after so many epochs.")] = 360,
    minutes: Annotated[float, typer.Option(min=0.1, help="Or after so many minutes.")] = math.inf,
    batch: Annotated[int, typer.Option(min=1, help="Slices a step.")] = 4,
    rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="Same seed, same weights, unless minutes end it.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of TensorFlow.")] = 2,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
) -> None:
    """Train a kidney U-Net on PNG slices; writes the model, its log (CSV) and a checkpoint."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
    plan = Plan(epochs, minutes, batch, rate, seed)
    held_out = [name for name in hold_out.split(",") if name]
    try:
        train(Run(output, base, depth), data, held_out, plan, resume=resume)
    except EdgesegError as error:
        messages.print(f"error: {error}")
        raise typer.Exit(error.exit_code) from error


def _checked(row: EpochLog) -> bool:
    """Tell whether an epoch ends with a validation and a checkpoint."""
    return row.epoch % CHECK_EVERY == 0 or row.done >= 1


def _validated(row: EpochLog, model: Any, held_out: Sequence[LabelledSlice]) -> EpochLog:
    """Add the held-out patients' Dice to a log row."""

    def predict(slices: Floats) -> Floats:
        return np.asarray(model.predict_on_batch(slices))

    scores = score(predict, held_out, SIZE)
    return replace(
        row,
        kidney_and_mass=mean_dice(scores, "kidney_and_mass"),
        tumor=mean_dice(scores, "tumor"),
    )


def _read_log(path: Path) -> list[EpochLog]:
    """Read the rows of an earlier training."""
    with path.open(newline="") as file:
        rows = [[float(value) for value in row.values()] for row in csv.DictReader(file)]
    return [EpochLog(int(epoch), *values) for epoch, *values in rows]


def _write_log(path: Path, rows: Sequence[EpochLog]) -> None:
    """Write all rows: a resumed training's log has no epoch twice."""
    with atomic_path(path) as part, part.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(column.name for column in fields(EpochLog))
        writer.writerows([f"{value:.6g}" for value in asdict(row).values()] for row in rows)


def _line(row: EpochLog) -> str:
    """One epoch in words."""
    left = row.seconds / row.done * (1 - min(row.done, 1)) / 60
    text = f"epoch {row.epoch}: loss {row.loss:.3f}, {left:.0f} min left"
    if math.isnan(row.kidney_and_mass):
        return text
    return f"{text}, held out: kidney_and_mass {row.kidney_and_mass:.3f}, tumor {row.tumor:.3f}"


if __name__ == "__main__":
    typer.run(main)
