"""``edgeseg convert``: from a Keras model to a bundle of TFLite pieces."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from edgeseg.files.atomic import check_distinct
from edgeseg.output.html import check_page
from edgeseg.output.terminal import console, detail, emit_json, note, note_table, progress
from edgeseg_converters.commands.signature import given_fields, takes_fields_of
from edgeseg_converters.options import ConversionOptions
from edgeseg_converters.partition.registry import strategies
from edgeseg_converters.search.goal import SearchGoal, goal_from


@takes_fields_of(ConversionOptions, SearchGoal)
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
    **values: Any,
) -> None:
    """Cut a trained Keras U-Net into TFLite pieces, check them, and write one bundle.

    With --max-dice-drop, try a ladder of recipes and write the best bundle that loses no more
    Dice; together with --recipe, hold that one to the limit.

    Strategies:
    """
    check_distinct(output, report, html)
    if html is not None:
        check_page(html)
    options = ConversionOptions(**given_fields(ConversionOptions, values))
    goal = goal_from(given_fields(SearchGoal, values), options.calibration)
    if dry_run:
        _preview(model, output, options, goal, (report, html), as_json=as_json)
    elif goal is None:
        _convert(model, output, options, report, html, as_json=as_json)
    else:
        _search(model, output, options, goal, report, html, as_json=as_json)


_lines = ";\n    ".join(f"{strategy.name} {strategy.help}" for strategy in strategies().values())
convert.__doc__ = f"{(convert.__doc__ or '').rstrip()}\n    {_lines}.\n    "


def _preview(
    model: Path,
    output: Path,
    options: ConversionOptions,
    goal: SearchGoal | None,
    beside: tuple[Path | None, ...],
    *,
    as_json: bool,
) -> None:
    from edgeseg_converters.dry_run import dry_run_table, preview_conversion

    preview = preview_conversion(
        model, output, options, goal=goal, beside=beside, progress=progress
    )
    _show(preview, dry_run_table, as_json=as_json)
    for path in () if as_json else preview.writes:
        console.print(f"would write {path}", markup=False, soft_wrap=True)


def _convert(
    model: Path,
    output: Path,
    options: ConversionOptions,
    report: Path | None,
    html: Path | None,
    *,
    as_json: bool,
) -> None:
    from edgeseg_converters.conversion import convert as compile_model
    from edgeseg_converters.reports.conversion_tables import strategies_table, summary_table

    conversion = compile_model(
        model, output, options, report=report, progress=progress, tell=detail
    )
    if conversion.strategies:
        note_table(strategies_table(conversion))
    _show(conversion, summary_table, as_json=as_json)
    if html is not None:
        from edgeseg_converters.page.converted import write_conversion_page

        write_conversion_page(html, conversion)


def _search(
    model: Path,
    output: Path,
    options: ConversionOptions,
    goal: SearchGoal,
    report: Path | None,
    html: Path | None,
    *,
    as_json: bool,
) -> None:
    from edgeseg_converters.search.report import require_chosen, search_table
    from edgeseg_converters.search.search import chosen_report, search_recipes

    search = search_recipes(
        model, output, goal, options, report=report, progress=progress, tell=note
    )
    _show(search, search_table, as_json=as_json)
    if html is not None:
        from edgeseg_converters.page.converted import write_conversion_page

        write_conversion_page(html, chosen_report(search, output), search)
    require_chosen(search)


def _show(report: Any, table: Callable[[Any], Table], *, as_json: bool) -> None:
    for line in report.notes:
        note(line)
    if as_json:
        emit_json(report)
    else:
        console.print(table(report))
