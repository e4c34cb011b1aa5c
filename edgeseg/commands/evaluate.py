"""``edgeseg evaluate``: how well masks agree with the truth, as the KiTS challenge counts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from edgeseg.scoring.evaluation import Evaluation


def evaluate(
    predictions: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTIONS", help="Folder of masks (NAME.nii.gz or NAME.png), or one mask."
        ),
    ],
    truth: Annotated[
        Path,
        typer.Argument(
            metavar="TRUTH", help="The same of the truth; NAME/segmentation.nii.gz as in KiTS, too."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE.csv",
            help="A row a case; if not given, evaluation.csv in the folder PREDICTIONS.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")] = False,
) -> None:
    """Score masks against the truth: Dice and surface Dice of the KiTS regions.

    PNGs have Dice alone: nobody knows their spacing.
    Research use only, not a medical device.
    """
    from edgeseg.errors import UsageError
    from edgeseg.files.atomic import check_writable
    from edgeseg.output.terminal import console, emit_json, progress
    from edgeseg.scoring.evaluation import evaluate_pairs, write_csv
    from edgeseg.scoring.pairing import pair_cases

    if output is not None and output.suffix.lower() != ".csv":
        raise UsageError(f"-o {output} is no .csv; give the name of a CSV file")
    pairs = pair_cases(predictions, truth)
    table = output or (predictions / "evaluation.csv" if predictions.is_dir() else None)
    if table is not None:
        check_writable(table)
    evaluation = evaluate_pairs(pairs, progress)
    if table is not None:
        write_csv(table, evaluation)
    if json:
        emit_json(evaluation)
        return
    console.print(_table(evaluation))
    if table is not None:
        console.print(f"wrote {table}", markup=False, soft_wrap=True)
    console.print(f"{evaluation.research_note}.", style="dim")


def _table(evaluation: "Evaluation") -> "Table":
    from rich.markup import escape

    from edgeseg.output.terminal import figure_table
    from edgeseg.scoring.evaluation import figures

    headings = [name.replace("_", " ") for name in figures(evaluation.average)]
    table = figure_table(("case",), headings)
    for case in (*evaluation.cases, evaluation.average):
        if case is evaluation.average:
            table.add_section()
        table.add_row(escape(case.case), *(f"{value:.4f}" for value in figures(case).values()))
    return table
