"""The table of a study, and what it tells to look at."""

import csv
from pathlib import Path

from study_outcomes import label, record

from edgeseg.bundle.manifest import Label
from edgeseg_runtime.study.record import Failure
from edgeseg_runtime.study.summary import flags_of, write_summary

_LABELS = (Label(1, "kidney", "#2a9d8f"), Label(2, "tumor", "#e4572e"))


def test_flags_say_what_to_look_at() -> None:
    assert flags_of(record(label("kidney", 1, 150.0), label("tumor", 2, 0.0))) == ()
    assert flags_of(record(label("kidney", 1, 0.0))) == ("nothing found",)
    edges = record(label("kidney", 1, 9.0, edge=True), label("tumor", 2, 1.0, edge=True))
    assert flags_of(edges) == ("first or last slice holds kidney, tumor",)
    odd = record(label("kidney", 1, 0.0), warning="3 voxels are no numbers")
    assert flags_of(odd) == ("nothing found", "3 voxels are no numbers")


def test_there_is_a_line_for_each_volume(tmp_path: Path) -> None:
    """Where a scan has no spacing there are no mL; commas and quotes come back as they were."""
    outcomes = (
        record(label("kidney", 1, 150.125), label("tumor", 2, 0.0), volume="a, or b"),
        Failure("c", 'it is "damaged"; copy it again'),
        record(label("kidney", 1, None), label("tumor", 2, None), volume="pictures"),
    )
    write_summary(tmp_path / "summary.csv", outcomes, _LABELS)
    with (tmp_path / "summary.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    assert header == ["volume", "seconds", "slices", "kidney mL", "tumor mL", "flags", "error"]
    assert rows == [
        ["a, or b", "1.260", "7", "150.12", "0.00", "", ""],
        ["c", "", "", "", "", "", 'it is "damaged"; copy it again'],
        ["pictures", "1.260", "7", "", "", "", ""],
    ]


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    outcomes = (record(label("kidney", 1, 1.0), volume="=1+1"), Failure("+a", "@SUM(A1)"))
    write_summary(tmp_path / "summary.csv", outcomes, _LABELS)
    with (tmp_path / "summary.csv").open(newline="", encoding="utf-8") as file:
        _, first, second = list(csv.reader(file))
    assert (first[0], second[0], second[-1]) == ("'=1+1", "'+a", "'@SUM(A1)")
