"""``edgeseg convert``: from a Keras model to a bundle of TFLite pieces."""

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from edgeseg.cli.fields import spells_fields
from edgeseg.output.html import check_page
from edgeseg.output.terminal import console, emit_json, note, note_table
from edgeseg.text.units import parse_bytes
from edgeseg_converters.commands.numbers import parse_complexity, parse_window
from edgeseg_converters.partition.registry import strategies

StrategyName = Enum("StrategyName", {name: name for name in strategies()}, type=str)  # type: ignore[misc]


class Metric(str, Enum):
    """What complexity means."""

    flops = "flops"
    parameters = "parameters"
    memory = "memory"


class PrecisionName(str, Enum):
    """What the pieces compute in."""

    none = "none"
    float16 = "float16"
    dynamic = "dynamic"
    int8 = "int8"


class PreferenceName(str, Enum):
    """What a search makes least."""

    size = "size"
    latency = "latency"
    memory = "memory"


@spells_fields(spacing_mm="spacing")
def convert(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="A .keras or .h5 file, or a SavedModel folder with its graph."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="BUNDLE", help="The .edgeseg file to write.")
    ],
    *,
    strategy: Annotated[
        StrategyName, typer.Option(help="How to cut; see below when to use which.")
    ] = StrategyName("adaptive"),  # noqa: B008 - a member of an enumeration
    ways: Annotated[
        int | None,
        typer.Option(min=2, metavar="N", help="Tiles or branches for data, channel and auto."),
    ] = None,
    boards: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml",
            help="The boards to cut for: optimal, data, channel and auto.",
        ),
    ] = None,
    metric: Annotated[Metric, typer.Option(help="What complexity means.")] = Metric.flops,
    max_complexity: Annotated[
        str | None,
        typer.Option(
            metavar="N", help="No piece exceeds it: 5G, 1.5M; 512MiB where the metric is memory."
        ),
    ] = None,
    max_partitions: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Most pieces allowed.")
    ] = None,
    max_activations: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Bytes alive at once in a piece, such as 16MiB: larger ones run in bands of rows.",
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="What float32 probabilities may change by, for fewer multiplications: 1e-5.",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE.toml",
            help="How to compress: exact, paper, balanced, tiny, or a recipe of your own.",
        ),
    ] = None,
    prune_ratio: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="R",
            help="Zero weights below R standard deviations of their kernel, in magnitude.",
        ),
    ] = None,
    quantize: Annotated[
        PrecisionName | None, typer.Option(help="Precision; int8 needs --calibration.")
    ] = None,
    sparse_encoding: Annotated[
        bool,
        typer.Option("--sparse-encoding", help="Store zeros sparse: smaller files, more memory."),
    ] = False,
    calibration: Annotated[
        Path | None,
        typer.Option(
            metavar="SCAN",
            help="NIfTI, PNG slices or DICOM to calibrate, fine-tune and check on; no labels.",
        ),
    ] = None,
    max_dice_drop: Annotated[
        float | None,
        typer.Option(
            metavar="D",
            help="Try recipes, and take the best bundle that loses no more Dice: 0.005.",
        ),
    ] = None,
    validate: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Labelled slices to measure --max-dice-drop on."),
    ] = None,
    patients: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Validate on these patients alone.")
    ] = None,
    prefer: Annotated[
        PreferenceName | None,
        typer.Option(help="What is best within --max-dice-drop; size if not given."),
    ] = None,
    window: Annotated[
        str, typer.Option(metavar="LO,HI", help="HU that become the model's range.")
    ] = "0,255",
    spacing: Annotated[
        float | None,
        typer.Option(metavar="MM", help="Pixel size the model was trained at, if a fixed one."),
    ] = None,
    labels: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Names of the labels, in channel order.")
    ] = None,
    input_shape: Annotated[
        str | None, typer.Option(metavar="H,W[,C]", help="Compile the model at this input size.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the report as JSON too.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="One page with the U, its cuts and every piece."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check everything, show the pieces, and stop there."),
    ] = False,
) -> None:
    """Cut a trained Keras U-Net into TFLite pieces, check them, and write one bundle.

    With --max-dice-drop, try a ladder of recipes and write the best bundle that loses no more
    Dice; together with --recipe, hold that one to the limit.

    Strategies:
    adaptive shares complexity evenly, for boards that are alike;
    block cuts where the resolution changes, which moves few bytes;
    layer cuts wherever possible, for boards that are yet unknown;
    optimal cuts for the boards given, where the network fits none of them whole;
    data divides the rows of a slice, and heavy layers by channels, for the soonest slice;
    channel divides convolutions by channels, where weights fill the memory;
    auto tries them all for the boards given and keeps the fastest.
    """
    if html is not None:
        check_page(html)
    limits = parse_window(window)
    budget = None if max_complexity is None else parse_complexity(max_complexity, metric.value)

    from edgeseg.boards.boards_file import read_boards
    from edgeseg_converters.commands.input_shape import parse_input_shape
    from edgeseg_converters.search.flags import asked_rungs, asked_search

    precision = None if quantize is None else quantize.value
    best = None if prefer is None else prefer.value
    asked = asked_search(max_dice_drop, validate, calibration, patients, best)
    rungs = asked_rungs(recipe, prune_ratio, precision, sparse_encoding=sparse_encoding)
    conversion: dict[str, Any] = {
        "strategy": strategy.value,
        "metric": metric.value,
        "max_complexity": budget,
        "max_partitions": max_partitions,
        "max_activations": None if max_activations is None else parse_bytes(max_activations),
        "tolerance": tolerance,
        "ways": ways,
        "boards": None if boards is None else read_boards(boards),
        "window": limits,
        "spacing_mm": spacing,
        "labels": None if labels is None else [name.strip() for name in labels.split(",")],
        "input_shape": None if input_shape is None else parse_input_shape(input_shape),
    }
    if dry_run:
        from edgeseg_converters.dry_run import draft, draft_table

        drafted = draft(model, output, rungs, asked, (report, html), calibration, **conversion)
        _show(drafted, draft_table, as_json=as_json)
        for path in () if as_json else drafted.writes:
            console.print(f"would write {path}", markup=False, soft_wrap=True)
        return
    if asked is None:
        from edgeseg_converters.conversion import convert as compile_model
        from edgeseg_converters.reports.conversion_tables import strategies_table, summary_table

        made = compile_model(
            model,
            output,
            recipe=rungs[0].recipe,
            calibration=calibration,
            report=report,
            **conversion,
        )
        if made.strategies:
            note_table(strategies_table(made))
        _show(made, summary_table, as_json=as_json)
        if html is not None:
            from edgeseg_converters.page.converted import write_converted

            write_converted(html, made)
        return

    from edgeseg_converters.search.report import require_chosen, search_table
    from edgeseg_converters.search.search import chosen_report, search

    found = search(
        model,
        output,
        drop=asked.drop,
        validate=asked.validate,
        calibration=asked.calibration,
        patients=asked.patients,
        prefer=asked.prefer,
        rungs=rungs,
        report=report,
        **conversion,
    )
    _show(found, search_table, as_json=as_json)
    if html is not None:
        from edgeseg_converters.page.converted import write_converted

        write_converted(html, chosen_report(found, output), found)
    require_chosen(found)


def _show(made: Any, table: Callable[[Any], Table], *, as_json: bool) -> None:
    for line in made.notes:
        note(line)
    if as_json:
        emit_json(made)
    else:
        console.print(table(made))
