"""The report of a search: a struct for programs, a table for people."""

import msgspec
from rich.markup import escape
from rich.table import Table

from edgeseg.errors import EdgesegError
from edgeseg.output.terminal import RESEARCH_NOTE, figure_table
from edgeseg.text.units import format_bytes
from edgeseg_converters.compare.comparison import Comparison
from edgeseg_converters.compare.report import NOTHING, scope
from edgeseg_converters.compress.recipe import Recipe
from edgeseg_converters.search.choose import MeasuredRecipe, Verdict

_LESS = {"size": "smaller", "latency": "faster", "memory": "lighter"}
_LEAST = {"size": "smallest", "latency": "fastest", "memory": "lightest"}


class TriedRecipe(msgspec.Struct, frozen=True):
    """A recipe that was tried.

    Attributes
    ----------
    drop
        Dice lost: mean over patients, of the worst region.
    notes
        What the compiler noted, such as pieces that are kept in float32.
    """

    name: str
    recipe: Recipe
    drop: float
    verdict: Verdict
    notes: tuple[str, ...]


class SearchReport(msgspec.Struct, frozen=True):
    """Figures of a search.

    Attributes
    ----------
    limit
        Dice that may be lost.
    prefer
        What should be least: ``size``, ``latency`` or ``memory``.
    chosen
        Name of the recipe whose bundle is the output; None if all lose too much.
    tried
        The recipes, from the mildest to the strongest.
    comparison
        The Keras model and the bundles of these recipes, in the same order.
    notes
        What the user should know besides, a line each.
    """

    limit: float
    prefer: str
    chosen: str | None
    tried: tuple[TriedRecipe, ...]
    comparison: Comparison
    notes: tuple[str, ...]
    research_note: str = RESEARCH_NOTE


def report_trial(trial: MeasuredRecipe, verdict: Verdict) -> TriedRecipe:
    """Return what the report keeps of a trial."""
    return TriedRecipe(trial.name, trial.recipe, trial.drop, verdict, trial.notes)


def require_chosen(report: SearchReport) -> None:
    """Refuse a search that chose nothing.

    Raises
    ------
    EdgesegError
        If all recipes lose too much; the best one is named.
    """
    if report.chosen is None:
        best = min(report.tried, key=lambda recipe: recipe.drop)
        raise EdgesegError(
            f"no recipe stays within a Dice drop of {report.limit:g}; best is {best.name} with "
            f"{best.drop:.4f}: allow that much, or calibrate on more slices"
        )


def search_table(report: SearchReport) -> Table:
    """Lay the search out in 100 columns, one row a recipe."""
    comparison = report.comparison
    shown = comparison.shown_regions
    table = figure_table(
        ("recipe", "verdict"),
        (*shown, "drop", "size", "ms", "memory"),
        title=f"Dice on {scope(comparison)}",
        caption=f"chosen: the {_LEAST[report.prefer]} within a drop of {report.limit:g}\n"
        "drop: model minus bundle, mean over patients, of the region that loses most\n"
        f"time and memory: one process, one thread of this machine\n{RESEARCH_NOTE}",
    )
    model = {figures.region: figures.dice for figures in comparison.model.regions}
    dice = (f"{model[region]:.3f}" for region in shown)
    table.add_row(escape(comparison.model.name), "", *dice, *[NOTHING] * 4)
    for recipe, entry in zip(report.tried, comparison.bundles, strict=True):
        dice_of = {figures.region: figures.dice for figures in entry.regions}
        table.add_row(
            escape(recipe.name),
            _verdict_line(recipe.verdict, report.prefer),
            *(f"{dice_of[region]:.3f}" for region in shown),
            f"{round(recipe.drop, 4) + 0.0:.4f}",
            format_bytes(entry.bytes),
            f"{entry.ms_per_slice or 0:.1f}",
            format_bytes(entry.peak_memory_bytes or 0),
        )
    return table


def _verdict_line(verdict: Verdict, prefer: str) -> str:
    than = f": no {_LESS[prefer]} than {verdict.than}" if verdict.than else ""
    return f"{verdict.kind}{than}"
