"""``edgeseg evaluate``: how well masks agree with the truth, as the KiTS challenge counts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from edgeseg.scoring.evaluation import Evaluation
    from edgeseg.scoring.false_volume import FalseVolumes


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
    postprocess: Annotated[
        str,
        typer.Option(
            metavar="PRESET|FILE.toml|none", help="Rules to apply to the masks before scoring."
        ),
    ] = "none",
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")] = False,
) -> None:
    """Score masks against the truth: Dice and surface Dice of the KiTS regions.

    PNGs have Dice alone: nobody knows their spacing.
    Research use only, not a medical device.
    """
    from edgeseg.errors import UsageError
    from edgeseg.files.atomic import check_writable
    from edgeseg.labelled.labels import KITS_LABELS
    from edgeseg.output.terminal import console, emit_json, progress
    from edgeseg.postprocess.rules_file import read_rules
    from edgeseg.scoring.evaluation import evaluate_pairs, write_csv
    from edgeseg.scoring.pairing import pair_cases

    if output is not None and output.suffix.lower() != ".csv":
        raise UsageError(f"-o {output} is no .csv; give the name of a CSV file")
    rules = read_rules(postprocess, KITS_LABELS)
    pairs = pair_cases(predictions, truth)
    table = output or (predictions / "evaluation.csv" if predictions.is_dir() else None)
    check_writable(table)
    evaluation = evaluate_pairs(pairs, progress, rules)
    if table is not None:
        write_csv(table, evaluation)
    if json:
        emit_json(evaluation)
        return
    console.print(_table(evaluation))
    for region, false in evaluation.false_volumes.items():
        console.print(_false_line(region, false))
    if rules:
        console.print(_changes_line(evaluation))
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
    if before := evaluation.average.dice_before:
        table.add_row("before rules", *(f"{value:.4f}" for value in before.values()))
    return table


def _changes_line(evaluation: "Evaluation") -> str:
    outcomes = [outcome for case in evaluation.cases for outcome in case.postprocess.rules]
    left_out = sum(any(o.skipped for o in case.postprocess.rules) for case in evaluation.cases)
    removed, added = (
        sum(getattr(o, name) for o in outcomes) for name in ("removed_ml", "added_ml")
    )
    line = f"post-processing removed {removed:.1f} mL and added {added:.1f} mL in all"
    return line + (f"; left out for {left_out} masks" if left_out else "")


def _false_line(region: str, false: "FalseVolumes") -> str:
    name = region.replace("_", " ")
    scans = "scan" if false.scans == 1 else "scans"
    return (
        f"{false.scans} {scans} without {name}: some is found in {false.found_in}, "
        f"median {false.median_ml:.1f} mL, mean {false.mean_ml:.1f} mL, "
        f"at most {false.largest_ml:.1f} mL"
    )
