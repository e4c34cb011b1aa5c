"""``edgeseg compare``: what compiling cost in accuracy, and what it saved."""

from pathlib import Path
from typing import Annotated

import typer

from edgeseg.errors import UsageError
from edgeseg.output.terminal import console, emit_json, note, progress
from edgeseg_converters.notation import parse_names


def compare(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="The Keras model that the bundles were compiled from."
        ),
    ],
    bundles: Annotated[
        list[Path], typer.Argument(metavar="BUNDLE...", help="One or more .edgeseg files.")
    ],
    *,
    data: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="Labelled slices: PNGs, a KiTS folder or nnU-Net's layout."
        ),
    ],
    patients: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Compare on these patients alone.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write all figures, a row a bundle.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw size and time against Dice.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of tables.")] = False,
) -> None:
    """Compare bundles with their Keras model on labelled slices: Dice, size, time, memory.

    Research use only, not a medical device.
    """
    from edgeseg.files.atomic import check_writable
    from edgeseg.output.plotting import require_matplotlib
    from edgeseg_converters.compare.bundles import compare_bundles
    from edgeseg_converters.compare.plot import write_comparison_plot
    from edgeseg_converters.compare.report import tables, write_comparison_csv

    if plot is not None:
        if plot.suffix.lower() != ".png":
            raise UsageError(f"--plot {plot} is no .png; give the name of a PNG file")
        require_matplotlib()
    check_writable(csv, plot)
    names = None if patients is None else parse_names(patients)
    comparison = compare_bundles(model, bundles, data, names, progress=progress)
    if csv is not None:
        write_comparison_csv(csv, comparison)
    if plot is not None:
        write_comparison_plot(plot, comparison)
    for line in comparison.notes:
        note(line)
    if as_json:
        emit_json(comparison)
        return
    for table in tables(comparison):
        console.print(table, "")
    console.print(f"{comparison.research_note}.", style="dim")
