"""A few runs of the test that kills workers."""

import json
import subprocess
import sys
from pathlib import Path


def test_three_kills_cost_nothing(tiny_bundle: Path, tmp_path: Path) -> None:
    figures = tmp_path / "kills.json"
    script = Path(__file__).with_name("kill.py")
    command = [sys.executable, script, tiny_bundle, "--runs", "3", "--json", figures]
    process = subprocess.run(command, capture_output=True, check=False, text=True, timeout=120)
    assert process.returncode == 0, process
    record = json.loads(figures.read_text())
    assert record["summary"]["identical"] == record["summary"]["complete"] == 3
    assert sum(run["losses"] for run in record["runs"]) >= 1
