"""The search: rung after rung is tried, and the best bundle within the limit is the output."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgeseg.errors import (
    BudgetError,
    EdgesegError,
    ModelError,
    OutputError,
    UsageError,
    field_name,
)
from edgeseg.files.atomic import atomic_path, check_writable, write_json
from edgeseg.output.plotting import require_matplotlib
from edgeseg_converters.compare.comparison import Comparison
from edgeseg_converters.compare.plot import write_plot
from edgeseg_converters.reports.conversion import ConversionReport
from edgeseg_converters.search.choose import (
    PREFERENCES,
    MeasuredRecipe,
    Preference,
    hopeless,
    judge,
)
from edgeseg_converters.search.ladder import Rung, ladder
from edgeseg_converters.search.report import SearchReport, tried
from edgeseg_converters.search.state import State
from edgeseg_converters.search.trials import Bench
from edgeseg_converters.search.validation import read_validation


def search(  # noqa: PLR0913 - one keyword a flag
    model: Path | str,
    output: Path | str,
    *,
    drop: float,
    validate: Path | str,
    calibration: Path | str,
    patients: Iterable[str] | None = None,
    prefer: Preference = "size",
    rungs: Sequence[Rung] | None = None,
    report: Path | str | None = None,
    **conversion: Any,
) -> SearchReport:
    """Try recipes, and take the bundle that is least within a drop of Dice.

    Bundles, their reports and what was measured stay in the folder ``OUTPUT.search``: a search
    that is interrupted goes on there, and one with another limit or preference finds them made.
    A plot of all is written beside it, as ``OUTPUT.search.png``. If no bundle is within the drop
    no output is written, and the report's ``chosen`` is None.

    Parameters
    ----------
    model, output, calibration
        As for :func:`edgeseg_converters.convert`.
    drop
        Dice that may be lost against the Keras model, 0..1: mean over patients, and the worst of
        the regions.
    validate
        Folder of labelled slices to measure on, none of them calibrated on.
    patients
        Measure on these alone.
    prefer
        What should be least: ``size``, ``latency`` or ``memory``.
    rungs
        Recipes to try, the mildest first; None for :func:`ladder`. Those after several that lose
        too much are not tried, and of those after the first the ones that this model can't be
        compiled by are left out.
    report
        A JSON file to write the returned report to as well.
    **conversion
        Further keywords of :func:`edgeseg_converters.convert`, the same for every recipe.

    Raises
    ------
    UsageError
        If a value is out of range, or a patient is both validated and calibrated on.
    EdgesegError
        If the model can't be compiled, the slices can't be used, or a file can't be written.
    """
    target = Path(output)
    if not 0 <= drop <= 1:
        raise UsageError(
            f"{field_name('max_dice_drop')} is {drop:g}; give a number in 0..1, such as 0.005"
        )
    if prefer not in PREFERENCES:
        raise UsageError(
            f"{field_name('prefer')} is {prefer!r}; choose one of {', '.join(PREFERENCES)}"
        )
    for file in (target, *([] if report is None else [Path(report)])):
        check_writable(file)
    require_matplotlib()
    validation = read_validation(Path(validate), patients, Path(calibration))
    folder = _folder(target)
    bench = Bench(Path(model), folder, Path(calibration), conversion, validation, State(folder))

    wanted = ladder() if rungs is None else tuple(rungs)
    trials, untried = _climb(bench, wanted, drop)
    comparison = _comparison(bench, trials)
    plot = folder.with_name(f"{folder.name}.png")
    write_plot(plot, comparison)
    verdicts = judge(trials, drop, prefer)
    chosen = next(
        (one for one, said in zip(trials, verdicts, strict=True) if said.kind == "chosen"), None
    )
    if chosen is not None:
        with atomic_path(target) as path:
            shutil.copyfile(bench.path(chosen.name), path)

    made = SearchReport(
        drop,
        prefer,
        None if chosen is None else chosen.name,
        tuple(map(tried, trials, verdicts)),
        comparison,
        (
            *(() if chosen is None else chosen.notes),
            *untried,
            f"all bundles and their reports are in {folder}, a plot of them in {plot}",
        ),
    )
    if report is not None:
        write_json(Path(report), made)
    return made


def chosen_report(found: SearchReport, output: Path) -> ConversionReport | None:
    """Read what the compiler told of the bundle that a search chose; None if it chose none.

    Raises
    ------
    EdgesegError
        If the file is gone or changed.
    """
    if found.chosen is None:
        return None
    folder = _folder(output)
    path = folder / f"{found.chosen}.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=ConversionReport)
    except (OSError, msgspec.DecodeError) as error:
        raise EdgesegError(f"can't read {path} ({error}); delete {folder}, search anew") from None


def _climb(
    bench: Bench, rungs: Sequence[Rung], drop: float
) -> tuple[list[MeasuredRecipe], list[str]]:
    """Try one rung after the other, until several in a row lose too much; also what was not."""
    trials: list[MeasuredRecipe] = []
    notes: list[str] = []
    for number, rung in enumerate(rungs):
        if hopeless(trials, drop):
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


def _folder(output: Path) -> Path:
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
        patients=tuple(dict.fromkeys(one.patient for one in slices)),
        slices=len(slices),
        notes=(),
    )
