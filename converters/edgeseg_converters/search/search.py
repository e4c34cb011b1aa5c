"""The search: rung after rung is tried, and the best bundle within the limit is the output."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgeseg.errors import BudgetError, EdgesegError, ModelError, OutputError, UsageError
from edgeseg.files.atomic import atomic_path, check_writable, write_json
from edgeseg.output.plotting import require_matplotlib
from edgeseg.progress import Progress, Tell, silent, untold
from edgeseg_converters.compare.comparison import Comparison
from edgeseg_converters.compare.plot import write_comparison_plot
from edgeseg_converters.options import ConversionOptions, options_from
from edgeseg_converters.reports.conversion import ConversionReport
from edgeseg_converters.search.choose import MeasuredRecipe, hopeless, judge
from edgeseg_converters.search.goal import SearchGoal, require_calibration
from edgeseg_converters.search.ladder import Rung, rungs_of
from edgeseg_converters.search.report import SearchReport, report_trial
from edgeseg_converters.search.state import State
from edgeseg_converters.search.trials import Bench
from edgeseg_converters.search.validation import read_validation


def search_recipes(  # noqa: PLR0913 - a goal and options beside what is read and written
    model: Path | str,
    output: Path | str,
    goal: SearchGoal,
    options: ConversionOptions | None = None,
    *,
    rungs: Sequence[Rung] | None = None,
    report: Path | str | None = None,
    progress: Progress = silent,
    tell: Tell = untold,
    **fields: Any,
) -> SearchReport:
    """Try recipes, and take the best bundle that loses no more Dice than the goal allows.

    Bundles, their reports and what was measured stay in the folder ``OUTPUT.search``: a search
    that is interrupted goes on there, and one with another limit or preference finds them made.
    A plot of all is written beside it, as ``OUTPUT.search.png``. If no bundle is within the limit
    no output is written, and the report's ``chosen`` is None.

    Parameters
    ----------
    model, output
        As for :func:`edgeseg_converters.convert`.
    goal
        The limit, the slices to measure on, and what should be least.
    options, **fields
        As for :func:`edgeseg_converters.convert`, the same for every recipe; ``calibration`` is
        needed. Where they name a recipe, it alone is held to the limit.
    rungs
        Recipes to try, the mildest first; None for that of the options, else
        :func:`~edgeseg_converters.search.ladder.ladder`. Those after several that lose too much
        are not tried, and of those after the first the ones that this model can't be compiled by
        are left out.
    report
        A JSON file to write the returned report to as well.
    progress
        Told how far each step is.
    tell
        Called with a line when a recipe is compiled or measured.

    Raises
    ------
    UsageError
        If a value is out of range, or a patient is both validated and calibrated on.
    EdgesegError
        If the model can't be compiled, the slices can't be used, or a file can't be written.
    """
    target = Path(output)
    options = options_from(options, fields)
    calibration = require_calibration(options.calibration)
    check_writable(target, None if report is None else Path(report))
    require_matplotlib()
    validation = read_validation(goal.validate, goal.patients, calibration, progress)
    folder = _make_folder(target)
    bench = Bench(
        Path(model), folder, calibration, options, validation, State(folder), progress, tell
    )

    trials, untried = _climb(bench, rungs_of(options) if rungs is None else rungs, goal)
    comparison = _comparison(bench, trials)
    plot = folder.with_name(f"{folder.name}.png")
    write_comparison_plot(plot, comparison)
    verdicts = judge(trials, goal.max_dice_drop, goal.prefer)
    pairs = zip(trials, verdicts, strict=True)
    chosen = next((trial for trial, verdict in pairs if verdict.kind == "chosen"), None)
    if chosen is not None:
        with atomic_path(target) as path:
            shutil.copyfile(bench.path(chosen.name), path)

    search_report = SearchReport(
        goal.max_dice_drop,
        goal.prefer,
        None if chosen is None else chosen.name,
        tuple(map(report_trial, trials, verdicts)),
        comparison,
        (
            *(() if chosen is None else chosen.notes),
            *untried,
            f"all bundles and their reports are in {folder}, a plot of them in {plot}",
        ),
    )
    if report is not None:
        write_json(Path(report), search_report)
    return search_report


def chosen_report(report: SearchReport, output: Path | str) -> ConversionReport | None:
    """Read the compiler's report of the bundle that a search chose; None if it chose none.

    Parameters
    ----------
    report
        What the search returned.
    output
        The bundle that it was to write.

    Raises
    ------
    EdgesegError
        If the file is gone or changed.
    """
    if report.chosen is None:
        return None
    folder = _make_folder(Path(output))
    path = folder / f"{report.chosen}.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=ConversionReport)
    except (OSError, msgspec.DecodeError) as error:
        raise EdgesegError(f"can't read {path} ({error}); delete {folder}, search anew") from None


def _climb(
    bench: Bench, rungs: Sequence[Rung], goal: SearchGoal
) -> tuple[list[MeasuredRecipe], list[str]]:
    """Try rungs until several in a row lose too much; return the trials, and what was not tried."""
    trials: list[MeasuredRecipe] = []
    notes: list[str] = []
    for number, rung in enumerate(rungs):
        if hopeless(trials, goal.max_dice_drop):
            names = ", ".join(rung.name for rung in rungs[number:])
            notes.append(f"not tried, since milder ones lose too much: {names}")
            break
        try:
            trials.append(bench.trial(rung))
        except (UsageError, ModelError, BudgetError) as error:
            if number == 0:
                raise
            notes.append(f"{rung.name} is left out: {error}")
    return trials, notes


def _make_folder(output: Path) -> Path:
    """Make the folder that the search works in."""
    folder = output.with_name(f"{output.name}.search")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"can't make the folder {folder} ({error.strerror}); move it") from None
    return folder


def _comparison(bench: Bench, trials: Sequence[MeasuredRecipe]) -> Comparison:
    """Gather the figures as ``edgeseg compare`` does, so that its tables and plot serve."""
    slices = bench.validation.slices
    return Comparison(
        model=bench.model_entry(trials[0].name),
        bundles=tuple(trial.entry for trial in trials),
        patients=tuple(dict.fromkeys(labelled.patient for labelled in slices)),
        slices=len(slices),
        notes=(),
    )
