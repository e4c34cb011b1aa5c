"""Train a kidney U-Net: ``python train.py --data FOLDER --hold-out PATIENTS -o MODEL``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import keras
import tensorflow as tf
import typer
from averaging import MOMENTUM, averaged, plain_images
from curves import draw_curves
from data import SIZE, Shelf
from fit import EpochLog, Plan, dice_and_cross_entropy, fit
from logs import in_words, read_log, write_log
from measure import mean_dice, measure, segmenter_of
from model import build
from refusals import errors_in_one_line

from edgeseg.errors import UsageError
from edgeseg.files.atomic import atomic_path, check_writable
from edgeseg.labelled import LabelledSlice, read_labelled, refuse_shared_patients, split
from edgeseg.output.terminal import messages

CHECK_EPOCHS, CHECK_SECONDS = 10, 300
"""After so many epochs or seconds come a validation and a checkpoint, whichever is first."""
VALIDATED = 120
"""A validation while training looks at most at so many slices, of all patients alike."""


@dataclass(frozen=True, slots=True)
class Network:
    """Which member of the U-Net family is trained."""

    base: int = 16
    depth: int = 4
    batch_norm: bool = True
    separable: bool = False

    def build(self, size: int | None) -> Any:
        """Build it untrained, for slices of one size or of any."""
        return build(
            self.base, self.depth, batch_norm=self.batch_norm, separable=self.separable, size=size
        )


@dataclass(frozen=True, slots=True)
class Run:
    """What is trained, and where it is written."""

    model: Path
    network: Network
    start: Path | None = None
    """A model of the same network whose weights are the first ones."""

    @property
    def log(self) -> Path:
        """Loss and Dice, one row an epoch."""
        return self.model.with_suffix(".csv")

    @property
    def curves(self) -> Path:
        """The log as a picture."""
        return self.model.with_suffix(".png")

    @property
    def checkpoint(self) -> Path:
        """Model with optimizer."""
        return self.model.with_suffix(".checkpoint.keras")

    def begin(self, plan: Plan) -> tuple[Any, list[EpochLog]]:
        """Make a model to train; its size is open, for crops.

        Raises
        ------
        UsageError
            If the model to start from is of another network.
        """
        check_writable(self.model)
        keras.utils.set_random_seed(plan.seed)
        model = self.network.build(None)
        if self.start:
            start: Any = keras.models.load_model(self.start, compile=False)
            if start.count_params() != model.count_params():
                raise UsageError(f"{self.start} has another base or depth; give the ones it has")
            model.set_weights(start.get_weights())
        optimizer = keras.optimizers.Adam(plan.rate, use_ema=True, ema_momentum=MOMENTUM)
        model.compile(optimizer, loss=dice_and_cross_entropy)
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
        if model.count_params() != self.network.build(None).count_params():
            raise UsageError(f"{self.checkpoint} has another base or depth; give the ones it has")
        rows = read_log(self.log)
        while rows and not rows[-1].saved:
            rows.pop()
        if not rows:
            raise UsageError(f"{self.log} names no checkpoint; start anew without --resume")
        return model, rows

    def save(self, model: Any, weights: list[Any]) -> Any:
        """Write the checkpoint, and a model of these weights: fixed size, float32, no optimizer.

        Returns
        -------
        keras.Model
            The latter.
        """
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("float32")
        fixed = self.network.build(SIZE)
        keras.config.set_dtype_policy(policy)
        fixed.set_weights(weights)
        for network, path in ((model, self.checkpoint), (fixed, self.model)):
            with atomic_path(path) as part:
                network.save(part)
        return fixed


def train(
    run: Run,
    slices: Sequence[LabelledSlice],
    validation: Sequence[LabelledSlice],
    plan: Plan,
    *,
    resume: bool = False,
) -> list[EpochLog]:
    """Train on slices, validate on others; write model, log, curves and checkpoint as it goes.

    Raises
    ------
    UsageError, VolumeError, OutputError
        If a patient is in both, a slice can't be read, or as :class:`Run` says.
    """
    refuse_shared_patients(slices, validation)
    model, rows = run.resume() if resume else run.begin(plan)
    messages.print(f"{len(slices)} slices to train on, {len(validation)} held out")
    some = validation[:: -(-len(validation) // VALIDATED) or 1]
    shelf = Shelf()
    plain = plain_images(slices, shelf)
    for row in fit(model, slices, shelf, plan, rows[-1] if rows else None):
        if _is_due(row, rows):
            saved = run.save(model, averaged(model, plain))
            rows.append(_validated(row, saved, some))
        else:
            rows.append(row)
        write_log(run.log, rows)
        messages.print(in_words(rows[-1]))
    draw_curves({run.model.stem: rows}, run.curves)
    return rows


def main(  # noqa: PLR0913 - a command line
    *,
    data: Annotated[
        Path,
        typer.Option(envvar="EDGESEG_DATA", help="Labelled slices: PNGs, KiTS or nnU-Net layout."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .keras file to write.")],
    hold_out: Annotated[str, typer.Option(help="Patients to validate on, commas between.")] = "",
    validation_data: Annotated[
        Path | None, typer.Option(help="A folder of other patients to validate on.")
    ] = None,
    base: Annotated[int, typer.Option(min=1, help="Channels of the first level.")] = 16,
    depth: Annotated[int, typer.Option(min=1, help="How many times the slice is halved.")] = 4,
    batch_norm: Annotated[bool, typer.Option(help="Batch normalization.")] = True,
    separable: Annotated[bool, typer.Option("--separable", help="Cheaper convolutions.")] = False,
    epochs: Annotated[int, typer.Option(min=1, help="Stop after so many epochs.")] = 360,
    minutes: Annotated[float, typer.Option(min=0.1, help="Or after so many minutes.")] = math.inf,
    batch: Annotated[int, typer.Option(min=1, help="Slices a step.")] = 4,
    rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 2e-3,
    seed: Annotated[int, typer.Option(help="Same seed, same weights, unless minutes end it.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of TensorFlow.")] = 2,
    bfloat16: Annotated[
        bool, typer.Option("--bfloat16", help="Multiply in bfloat16: faster where hardware can.")
    ] = False,
    start: Annotated[
        Path | None, typer.Option(help="Begin with the weights of this .keras file.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
) -> None:
    """Train a kidney U-Net; writes the model, its log (CSV), curves (PNG) and a checkpoint."""
    set_up(threads, bfloat16=bfloat16)
    plan = Plan(epochs, minutes, batch, rate, seed)
    held_out = [name for name in hold_out.split(",") if name]
    with errors_in_one_line():
        slices, validation = split(read_labelled(data), held_out)
        if validation_data:
            validation += read_labelled(validation_data)
        network = Network(base, depth, batch_norm, separable)
        train(Run(output, network, start), slices, validation, plan, resume=resume)


def set_up(threads: int, *, bfloat16: bool = False) -> None:
    """Set TensorFlow's threads, its determinism and its precision."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    if bfloat16:
        keras.config.set_dtype_policy("mixed_bfloat16")


def _is_due(row: EpochLog, past: Sequence[EpochLog]) -> bool:
    """Tell whether an epoch ends with a validation and a checkpoint."""
    last = next((one for one in reversed(past) if one.saved), EpochLog(0, 0, 0, 0, 0))
    overdue = row.epoch - last.epoch >= CHECK_EPOCHS or row.seconds - last.seconds >= CHECK_SECONDS
    return overdue or row.done >= 1


def _validated(row: EpochLog, model: Any, held_out: Sequence[LabelledSlice]) -> EpochLog:
    """Add the held-out patients' Dice to a log row."""
    scores = measure(segmenter_of(model), held_out)
    return replace(
        row,
        kidney_and_mass=mean_dice(scores, "kidney_and_mass"),
        tumor=mean_dice(scores, "tumor"),
        saved=1,
    )


if __name__ == "__main__":
    typer.run(main)
