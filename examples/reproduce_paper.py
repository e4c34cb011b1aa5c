"""The five systems of Rao et al. 2023 on labelled slices: ``python reproduce_paper.py -o FOLDER``.

UNet and SD-UNet-style are trained, each for as long as one waits; the other systems are cut and
pruned from them. The paper's UNet has no batch normalization: it is folded away after training.
"""

import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated

sys.path.append(str(Path(__file__).parent / "kidney_unet"))

import keras
import typer
from data import SIZE, write_pictures
from fit import EpochLog, Plan
from fold import write_folded
from logs import read_log
from paper_report import (
    WIDTH,
    Conditions,
    Reproduction,
    Training,
    notes_of,
    table_of,
    write_csv,
)
from paper_systems import WP_RATIO, rows_of, systems
from refusals import errors_in_one_line
from train import Network, Run, set_up, train

from edgeseg.errors import OutputError, UsageError
from edgeseg.labelled import LabelledSlice, by_patient, read_labelled, split
from edgeseg.output.terminal import console, emit_json, messages

HELD_OUT = (
    "case_00069,case_00108,case_00113,case_00114,case_00116,case_00137,case_00140,10004,10006,10009"
)
RATIOS = "0.25,0.5,0.75,1,1.5"
ENDLESS = 10**6
"""Epochs; minutes end a training."""
BATCH = 4


class Trained(str, Enum):
    """The networks that are trained."""

    normalized_unet = "unet-normalized"
    sd_unet = "sd-unet"

    def run(self, folder: Path, base: int, depth: int) -> Run:
        """Say what is trained, and where it is written; both learn with batch normalization."""
        network = Network(base, depth, batch_norm=True, separable=self is Trained.sd_unet)
        return Run(folder / f"{self.value}.keras", network)


def train_once(
    run: Run,
    slices: Sequence[LabelledSlice],
    held_out: Sequence[LabelledSlice],
    plan: Plan,
    *,
    longer: bool,
) -> None:
    """Train a network, on from its checkpoint; one that is done only if it is to be ``longer``.

    Raises
    ------
    UsageError
        If the folder holds another network.
    """
    if run.model.is_file() and not longer and last_epoch(run).done >= 1:
        model = keras.models.load_model(run.model, compile=False)
        if model.count_params() != run.network.build(SIZE).count_params():
            raise UsageError(f"{run.model} has another base or depth; give the ones it has")
        return
    messages.print(f"training {run.model}")
    # A model without its checkpoint is refused there, never trained anew and overwritten.
    resume = run.checkpoint.is_file() or run.model.is_file()
    train(run, slices, held_out, plan, resume=resume)


def last_epoch(run: Run) -> EpochLog:
    """Read the last row of a training's log.

    Raises
    ------
    UsageError
        If there is no log.
    """
    if not run.log.is_file():
        raise UsageError(f"{run.model} has no log {run.log}; give another folder")
    return read_log(run.log)[-1]


def reproduction(
    runs: Sequence[Run],
    ratios: Sequence[float],
    slices: Sequence[LabelledSlice],
    held_out: Sequence[LabelledSlice],
) -> Reproduction:
    """Measure all systems on the held-out slices.

    Parameters
    ----------
    runs
        The finished trainings of UNet, with batch normalization, and SD-UNet-style.
    """
    normalized, sd_unet = (run.model for run in runs)
    unet = normalized.with_name("unet.keras")
    write_folded(normalized, unet, runs[0].network)
    listed = systems(unet, sd_unet, ratios)
    write_pictures(slices, listed[0].calibration)
    rows = tuple(rows_of(listed, held_out))
    logs = [(run.model.stem, last_epoch(run)) for run in runs]
    conditions = Conditions(
        sources=tuple(dict.fromkeys(piece.source for piece in held_out)),
        training_slices=len(slices),
        training_patients=len(by_patient(slices)),
        slices=len(held_out),
        patients=tuple(by_patient(held_out)),
        trainings=tuple(Training(name, log.seconds / 60, log.epoch) for name, log in logs),
    )
    return Reproduction(
        rows, conditions, tuple(notes_of(conditions, rows[-1].pixel_accuracy, WP_RATIO))
    )


def parse_ratios(text: str) -> tuple[float, ...]:
    """Read ratios of Algorithm II, commas between; they come back in rising order.

    Raises
    ------
    UsageError
        If one is no number, or not above 0.
    """
    try:
        ratios = sorted({float(ratio) for ratio in text.split(",")})
    except ValueError:
        ratios = []
    if not ratios or not all(0 < ratio < float("inf") for ratio in ratios):
        raise UsageError(f"--ratios {text!r} are no numbers above 0; write them like {RATIOS}")
    return tuple(ratios)


def main(  # noqa: PLR0913 - a command line
    *,
    data: Annotated[
        Path,
        typer.Option(envvar="EDGESEG_DATA", help="Labelled slices: PNGs, KiTS or nnU-Net layout."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for all that is made.")],
    hold_out: Annotated[
        str, typer.Option(help="Patients to measure on, commas between.")
    ] = HELD_OUT,
    only: Annotated[
        Trained | None, typer.Option(help="Train this network, or train it longer, and stop.")
    ] = None,
    ratios: Annotated[
        str, typer.Option(help="UNet-PWP at these ratios of Algorithm II, commas between.")
    ] = RATIOS,
    base: Annotated[int, typer.Option(min=1, help="Channels of the first level.")] = 64,
    depth: Annotated[int, typer.Option(min=1, help="How many times the slice is halved.")] = 4,
    minutes: Annotated[float, typer.Option(min=0.01, help="Time for each training.")] = 30,
    rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="Decides first weights and augmentation.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of TensorFlow.")] = 2,
    bfloat16: Annotated[
        bool, typer.Option("--bfloat16", help="Train in bfloat16: faster where hardware can.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
) -> None:
    """Train and measure UNet, UNet-P, UNet-PWP, SD-UNet-style and WP-UNet-style.

    A stopped run goes on where it was; what is finished is used as it is.

    Research use only, not a medical device.
    """
    set_up(threads, bfloat16=bfloat16)
    plan = Plan(ENDLESS, minutes, BATCH, rate, seed)
    with errors_in_one_line():
        chosen = parse_ratios(ratios)
        slices, held_out = split(read_labelled(data), hold_out.split(","))
        _make(output)
        wanted = [only] if only else list(Trained)
        runs = [network.run(output, base, depth) for network in wanted]
        for run in runs:
            train_once(run, slices, held_out, plan, longer=only is not None)
        if only:
            return
        keras.config.set_dtype_policy("float32")  # what is compiled is never bfloat16
        made = reproduction(runs, chosen, slices, held_out)
        write_csv(output / "systems.csv", made.rows)
    if as_json:
        emit_json(made)
        return
    console.width = max(console.width, WIDTH)  # a pipe counts as 80 columns
    console.print(table_of(made.rows), "")
    for note in made.notes:
        console.print(note)
    console.print(f"{made.research_note}.", style="dim")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"can't make {folder} ({error.strerror}); give --output") from None


if __name__ == "__main__":
    typer.run(main)
