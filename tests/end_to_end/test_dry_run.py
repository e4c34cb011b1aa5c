"""``--dry-run``: everything is checked and decided, nothing computed or written."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from processes import Ran, RunningWorker, edgeseg, one_line
from scans import names, write_ct

_SLICES = 6


def _dry(words: Sequence[object], worker: RunningWorker, *more: object) -> Ran:
    return edgeseg("segment", *words, "--board", worker.endpoint, "--dry-run", *more)


@pytest.fixture
def words(tiny_bundle: Path, tmp_path: Path) -> list[object]:
    scan = write_ct(tmp_path / "ct.nii", (64, 64, _SLICES))
    return [tiny_bundle, scan, "-o", tmp_path / "mask.nii", "--preview", tmp_path / "a.png"]


def test_shows_the_plan_and_writes_nothing(
    words: list[object], worker: RunningWorker, tmp_path: Path
) -> None:
    ran = _dry(words, worker)
    assert (ran.code, ran.err) == (0, "")
    assert f"{_SLICES} slices would take " in ran.out
    for name in ("mask.nii", "a.png"):
        assert f"would write {tmp_path / name}" in ran.out
    assert names(tmp_path) == {"ct.nii"}


def test_the_plan_is_that_of_the_run(
    words: list[object], worker: RunningWorker, tmp_path: Path
) -> None:
    planned = json.loads(_dry(words, worker, "--json").out)
    report = tmp_path / "run.json"
    ran = edgeseg("segment", *words, "--board", worker.endpoint, "--report", report)
    assert ran.code == 0, ran.err
    run = json.loads(report.read_text())
    assert planned["slices"] == run["slices"] == _SLICES
    assert planned["plan"]["slices_per_second"] == run["planned_slices_per_second"]
    for field in ("pieces", "window"):
        assert [lane[field] for lane in planned["plan"]["lanes"]] == [
            lane[field] for lane in run["lanes"]
        ]


def test_errors_are_those_of_the_run(
    words: list[object], worker: RunningWorker, tmp_path: Path
) -> None:
    one_line(_dry([*words, "--report", "/none/run.json"], worker), 1, "create its folder first")
    one_line(_dry([words[0], tmp_path / "c.nii", *words[2:]], worker), 1, "ct.nii'?")
    (tmp_path / "mask.nii.partial").write_text("something else")
    one_line(_dry(words, worker), 2, "is no checkpoint")
    assert (tmp_path / "mask.nii.partial").read_text() == "something else"
    (tmp_path / "mask.nii.partial").unlink()
    none = edgeseg(
        "segment", *words, "--board", "tcp://127.0.0.1:1", "--patience", "0", "--dry-run"
    )
    one_line(none, 1, "no worker answers")


def test_verbose_tells_where_the_pieces_are(words: list[object], worker: RunningWorker) -> None:
    ran = edgeseg("segment", *words, "--board", worker.endpoint, "--verbose")
    assert ran.code == 0
    assert "board-1 runs piece_00-" in ran.err
    assert "slices in flight" in ran.err


def test_quiet_says_nothing_but_writes(
    words: list[object], worker: RunningWorker, tmp_path: Path
) -> None:
    ran = edgeseg("segment", *words, "--board", worker.endpoint, "--quiet")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert names(tmp_path) == {"ct.nii", "mask.nii", "a.png"}
