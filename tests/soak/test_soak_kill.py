"""A few runs of the test that kills workers."""

import json
import subprocess
import sys
from pathlib import Path


def test_three_kills_cost_nothing(tiny_bundle: Path, tmp_path: Path) -> None:
    figures = tmp_path / "kills.json"
    script = Path(__file__).with_name("kill.py")
    command = [sys.executable, script, tiny_bundle, "--runs", "3", "--json", figures]
    ran = subprocess.run(command, capture_output=True, check=False, text=True, timeout=120)
    assert ran.returncode == 0, ran
    told = json.loads(figures.read_text())
    assert told["summary"]["identical"] == told["summary"]["complete"] == 3
    assert sum(run["losses"] for run in told["runs"]) >= 1
