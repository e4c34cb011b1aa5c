"""Draws size and time of every bundle against its Dice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgeseg.files.atomic import atomic_path
from edgeseg.output.plotting import require_matplotlib
from edgeseg.text.units import MIB
from edgeseg_converters.compare.comparison import ComparedModel, Comparison, RegionFigures
from edgeseg_converters.compare.report import scope

_MARKERS = "osD^vP*X<>"
_LEGEND_LETTERS, _MARKER_LETTERS = 110, 8
"""Width of a row of the legend, and of a marker in it."""
_LEAST_SPAN = 0.02
"""Dice that an axis spans at least, so that smaller differences look small."""


def write_comparison_plot(path: Path, comparison: Comparison) -> None:
    """Draw a row of two panels for each region: size, and time a slice, against Dice.

    Every bundle has a marker of its own, with the standard deviation over patients of its
    difference to the model; the model is a horizontal line.

    Parameters
    ----------
    path
        The PNG file to write.
    comparison
        Model and bundles.

    Raises
    ------
    OutputError
        If the file can't be written; nothing half-written is left.
    UsageError
        If matplotlib is not installed.
    """
    regions = comparison.shown_regions
    longest = max(len(entry.name) for entry in comparison.entries)
    columns = max(1, _LEGEND_LETTERS // (longest + _MARKER_LETTERS))
    height = 0.9 + 2.5 * len(regions) + 0.25 * (len(comparison.entries) // columns)
    matplotlib = require_matplotlib()
    figure = matplotlib.figure.Figure(figsize=(10, height), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0.3 / height, 1, 1 - 0.3 / height))
    axes = figure.subplots(len(regions), 2, sharex="col", sharey="row", squeeze=False)
    for region, (by_size, by_time) in zip(regions, axes, strict=True):
        _draw(by_size, comparison, region, lambda entry: entry.bytes / MIB)
        _draw(by_time, comparison, region, lambda entry: entry.ms_per_slice)
        by_size.set_ylabel(f"Dice, {region}")
        value = _of(comparison.model, region).dice
        right_edge = by_time.get_yaxis_transform()
        by_time.text(1.01, value, f"{value:.3f}", transform=right_edge, va="center", fontsize=8)
    axes[-1, 0].set_xscale("log")
    ticker = matplotlib.ticker
    sizes = axes[-1, 0].xaxis
    sizes.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    sizes.set_major_formatter("{x:g}")
    sizes.set_minor_formatter(ticker.NullFormatter())
    axes[-1, 1].set_xlim(left=0)
    axes[-1, 0].set_xlabel("size of the bundle, MiB")
    axes[-1, 1].set_xlabel("time a slice on one thread, ms")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=columns, frameon=False)
    footer = f"{scope(comparison)}; bars: standard deviation over patients of the difference. "
    figure.text(0.01, 0.08 / height, footer + comparison.research_note, fontsize=8, color="dimgrey")
    with atomic_path(path) as target:
        figure.savefig(target, dpi=120)


def _draw(
    axes: Any, comparison: Comparison, region: str, cost: Callable[[ComparedModel], float | None]
) -> None:
    model = _of(comparison.model, region).dice
    axes.axhline(model, color="black", linestyle="--", linewidth=1, label=comparison.model.name)
    for index, entry in enumerate(comparison.bundles):
        figures = _of(entry, region)
        axes.errorbar(
            cost(entry),
            figures.dice,
            yerr=figures.spread,
            marker=_MARKERS[index % len(_MARKERS)],
            color=f"C{index % 10}",
            linestyle="none",
            capsize=3,
            elinewidth=1,
            markersize=8,
            alpha=0.7,
            label=entry.name,
        )
    low, high = axes.get_ylim()
    margin = max(0.0, (_LEAST_SPAN - (high - low)) / 2)
    axes.set_ylim(low - margin, high + margin)
    axes.grid(visible=True, which="both", linewidth=0.3)


def _of(entry: ComparedModel, region: str) -> RegionFigures:
    return next(figures for figures in entry.regions if figures.region == region)
