"""The table of a search names every recipe and fits 100 columns."""

from io import StringIO

import msgspec
import pytest
from rich.console import Console

from edgeseg.errors import EdgesegError
from edgeseg_converters.compare.comparison import ComparedModel, Comparison, RegionFigures
from edgeseg_converters.compress.recipe import Recipe
from edgeseg_converters.search.choose import MeasuredRecipe, judge
from edgeseg_converters.search.ladder import ladder
from edgeseg_converters.search.report import (
    SearchReport,
    report_trial,
    require_chosen,
    search_table,
)

REGIONS = ("kidney_and_mass", "mass", "tumor")


def entry(name: str, drop: float, size: int = 123 * 2**20) -> ComparedModel:
    regions = tuple(
        RegionFigures(region, 0.9 - drop, -drop, 0.01, {"a": 0.9 - drop}, 2, 1)
        for region in REGIONS
    )
    return ComparedModel(name, name, size, regions, 0.99, 1234.5, 1023 * 2**20)


def report_of(*drops: float) -> SearchReport:
    names = [rung.name for rung in ladder()][-len(drops) :]
    trials = [
        MeasuredRecipe(name, Recipe(), entry(name, drop))
        for name, drop in zip(names, drops, strict=True)
    ]
    verdicts = judge(trials, 0.01, "latency")
    chosen = [one.name for one, said in zip(trials, verdicts, strict=True) if said.kind == "chosen"]
    entries = tuple(trial.entry for trial in trials)
    return SearchReport(
        0.01,
        "latency",
        chosen[0] if chosen else None,
        tuple(map(report_trial, trials, verdicts)),
        Comparison(entry("a_model_of_some_name.keras", 0.0), entries, ("a",), 7, ()),
        (),
    )


def test_the_table_fits_100_columns() -> None:
    report = report_of(0.0, 0.005, 0.3)
    console = Console(width=100, file=StringIO())
    with console.capture() as capture:
        console.print(search_table(report))
    said = capture.get()
    assert max(map(len, said.splitlines())) <= 100
    for word in (*REGIONS, ladder()[-1].name, "0.3000", "chosen", "beyond", "left out: no"):
        assert word in said
    assert "7 slices of 1 patient" in said
    assert "the fastest within a drop of 0.01" in said
    assert "Research use only" in said
    assert "…" not in said


def test_programs_get_all_of_it_back() -> None:
    report = report_of(0.0, 0.3)
    assert msgspec.json.decode(msgspec.json.encode(report), type=SearchReport) == report


def test_the_best_is_named_where_nothing_is_chosen() -> None:
    require_chosen(report_of(0.3, 0.005))
    with pytest.raises(EdgesegError, match=r"within a Dice drop of 0\.01; best is .* with 0\.02"):
        require_chosen(report_of(0.3, 0.02, 0.4))
