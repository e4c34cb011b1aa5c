"""What each recipe saves and costs on held-out patients: ``python compression_table.py MODEL``."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

sys.path.append(str(Path(__file__).parent / "kidney_unet"))

import typer
from data import PREPROCESSING, write_pictures
from refusals import errors_in_one_line
from rich.table import Table

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.files.atomic import write_json
from edgeseg.labelled import by_patient, read_labelled, split
from edgeseg.output.terminal import console, emit_json, figure_table, messages
from edgeseg_converters import convert
from edgeseg_converters.assemble import hash_model
from edgeseg_converters.compare.bundles import compare_bundles
from edgeseg_converters.compare.comparison import ComparedModel, Comparison
from edgeseg_converters.compare.report import write_comparison_csv
from edgeseg_converters.compress.recipe import Recipe, Zeros, read_recipe

EXACT = "exact"
WIDTH = 110
"""Columns that the table may take."""
RATIOS = "0.25,0.5,0.75,1,1.5"
"""Of Algorithm II alone."""


def recipes(names: Sequence[str], ratios: Sequence[float]) -> dict[str, Recipe]:
    """Name the recipes to compare; ``exact`` is what the others are held against."""
    chosen = {Path(name).stem: read_recipe(name) for name in (EXACT, *names)}
    return chosen | {f"algorithm-2-{ratio:g}": Recipe(zeros=Zeros(ratio)) for ratio in ratios}


def compiled(model: Path, target: Path, recipe: Recipe, calibration: Path) -> Path:
    """Compile a recipe, unless its bundle is there already and made of the same model."""
    if target.is_file() and Bundle(target).manifest.model_sha256 == hash_model(model):
        return target
    messages.print(f"compiling {target}")
    report = convert(
        model, target, recipe=recipe, calibration=calibration, window=PREPROCESSING.window
    )
    write_json(target.with_suffix(".json"), report)
    return target


def ratios_of(made: Comparison) -> Iterator[tuple[ComparedModel, tuple[float, float, float]]]:
    """Yield each bundle with how many times smaller, faster and lighter than ``exact`` it is.

    Sizes are held against that of its pieces before anything is compressed.
    """
    (exact,) = (entry for entry in made.bundles if entry.name == EXACT)
    uncompressed = sum(piece.bytes for piece in Bundle(Path(exact.path)).manifest.pieces)
    for entry in made.bundles:
        yield (
            entry,
            (
                uncompressed / entry.bytes,
                (exact.ms_per_slice or 0) / (entry.ms_per_slice or 1),
                (exact.peak_memory_bytes or 0) / (entry.peak_memory_bytes or 1),
            ),
        )


def table_of(made: Comparison) -> Table:
    """One row a recipe: savings, and Dice against the model's on the same slices."""
    shown = made.shown_regions
    table = figure_table(
        ["recipe"],
        ["smaller", "faster", "lighter", *shown, *(f"loss, {region}" for region in shown)],
        title=f"{made.model.name}: {made.slices} slices of {len(made.patients)} held-out patients",
        caption="times against float32, uncompressed; loss of Dice in points, mean over patients",
    )
    for entry, savings in ratios_of(made):
        regions = [one for one in entry.regions if one.region in shown]
        table.add_row(
            entry.name,
            *(f"{saving:.1f}x" for saving in savings),
            *(f"{one.dice:.3f}" for one in regions),
            *(f"{-100 * (one.difference or 0):.1f}" for one in regions),
        )
    return table


def main(  # noqa: PLR0913 - a command line
    model: Annotated[Path, typer.Argument(help="A .keras file; the held-out are new to it.")],
    *,
    data: Annotated[
        Path,
        typer.Option(envvar="EDGESEG_DATA", help="Labelled slices: PNGs, KiTS or nnU-Net layout."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for all that is made.")],
    hold_out: Annotated[str, typer.Option(help="Patients to measure on, commas between.")],
    recipe: Annotated[
        str, typer.Option(help="Presets or TOML files, commas between.")
    ] = "balanced,tiny",
    ratios: Annotated[
        str, typer.Option(help="Algorithm II alone at these ratios, commas between; or nothing.")
    ] = RATIOS,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
) -> None:
    """Compile a model by several recipes, and measure them on patients that are new to it.

    The other patients' slices, without labels, are what is calibrated and fine-tuned on.

    Research use only, not a medical device.
    """
    with errors_in_one_line():
        wanted = recipes(
            [name for name in recipe.split(",") if name],
            [float(ratio) for ratio in ratios.split(",") if ratio],
        )
        known, held_out = split(read_labelled(data), hold_out.split(","))
        write_pictures(known, output / "calibration")
        bundles = [
            compiled(model, output / f"{name}.edgeseg", how, output / "calibration")
            for name, how in wanted.items()
        ]
        made = compare_bundles(model, bundles, data, list(by_patient(held_out)))
        write_comparison_csv(output / "compression.csv", made)
    if as_json:
        emit_json(made)
        return
    console.width = max(console.width, WIDTH)  # a pipe counts as 80 columns
    console.print(table_of(made), "")
    console.print(f"{made.research_note}.", style="dim")


if __name__ == "__main__":
    typer.run(main)
