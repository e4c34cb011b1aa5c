"""The soak scripts on memory, small: they run, keep the promise, and leave nothing behind."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from limits import limit_in_shifts

from edgeseg.bundle.bundle_file import Bundle

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class _Outcome:
    pid: int
    code: int
    out: str
    err: str


def _run(script: str, *words: object) -> _Outcome:
    command = [sys.executable, str(_FOLDER / script), *map(str, words)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        out, err = process.communicate()
    return _Outcome(process.pid, process.returncode, out, err)


def test_a_small_board_gives_the_masks_of_the_uncut_model(
    tiny_bundle: Path, uncut_bundle: Path, base_memory: int, tmp_path: Path
) -> None:
    limit, figures = limit_in_shifts(Bundle(tiny_bundle).manifest, base_memory), tmp_path / "f.json"
    bundles = ("--uncut", uncut_bundle, "--cut", tiny_bundle)
    words = ("--limits", limit, "--slices", 6, "--json", figures)
    outcome = _run("small_board.py", *bundles, *words)
    assert outcome.code == 0, outcome.out + outcome.err
    uncut, small = json.loads(figures.read_text())
    assert (uncut["shifts"], small["limit_bytes"]) == (0, limit)
    assert small["shifts"] > 1
    assert small["peak_bytes"] <= limit
    assert small["identical"]
    assert "in pieces" in outcome.out


def test_workers_in_groups_of_hardly_more_than_they_promise_are_not_killed(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    figures = tmp_path / "f.json"
    words = ("--runs", 1, "--workers", 2, 0, "--slices", 4, "--json", figures)
    outcome = _run("memory.py", "--bundle", tiny_bundle, *words)
    if "can't be limited here" in outcome.err:
        pytest.skip(outcome.err.strip())
    assert outcome.code == 0, outcome.out + outcome.err
    for row in json.loads(figures.read_text()):
        assert row["failed"] == 0
        assert 0 < row["peak_bytes"] <= row["limit_bytes"]
    assert not [*Path("/sys/fs/cgroup").glob(f"**/edgeseg-soak-{outcome.pid}-*")]
