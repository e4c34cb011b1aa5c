"""A small run of the soak test: nothing leaks by the slice."""

import json
import subprocess
import sys
from pathlib import Path


def test_slices_leave_nothing_behind(tiny_bundle: Path, tmp_path: Path) -> None:
    figures = tmp_path / "growth.json"
    script = Path(__file__).with_name("growth.py")
    command = [sys.executable, script, tiny_bundle, "--slices", "600", "--json", figures]
    process = subprocess.run(command, capture_output=True, check=False, text=True, timeout=120)
    processes = {row["process"]: row for row in json.loads(figures.read_text())}
    assert set(processes) == {"worker 1", "worker 2", "coordinator"}, process
    for row in processes.values():
        assert row["files_after"] <= row["files_before"]
        assert row["bytes_after"] < 1.2 * row["bytes_before"]
