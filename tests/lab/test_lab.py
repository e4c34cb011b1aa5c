"""A small lab: four boards in namespaces, on a tiny network, and nothing of it left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parent
_RUN = [sys.executable, str(_FOLDER / "run.py")]


def _left(lab: int) -> list[str]:
    """Namespaces and control groups that a lab's process made, and nobody else's."""
    pattern = f"edgeseg-lab-{lab}-*"
    places = (Path("/run/netns").glob(pattern), Path("/sys/fs/cgroup").glob(f"*/{pattern}"))
    return [str(path) for paths in places for path in paths]


def test_plan_and_measurement_stand_side_by_side(tiny_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    words = (str(tiny_bundle), "--slices", "6", "--json", str(path))
    with subprocess.Popen(
        [*_RUN, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    figures = json.loads(path.read_text())
    assert len(figures["plan"]["boards"]) == 4
    assert figures["run"]["slices"] == 6
    assert not figures["run"]["planned_from_estimates"]
    for row in figures["placements"].values():
        assert row["measured_bytes"] == pytest.approx(row["predicted_bytes"], rel=0.1)
    assert "predicted/s" in out
    assert not _left(process.pid)


def test_nothing_is_left_after_an_interruption(tiny_bundle: Path) -> None:
    with subprocess.Popen([*_RUN, str(tiny_bundle)], stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 30
        while len(_left(process.pid)) < 6 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(_left(process.pid)) >= 6
        os.kill(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert not _left(process.pid)
