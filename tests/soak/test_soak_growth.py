"""A small run of the soak test: nothing leaks by the slice."""

import json
import subprocess
import sys
from pathlib import Path


def test_slices_leave_nothing_behind(tiny_bundle: Path, tmp_path: Path) -> None:
    figures = tmp_path / "growth.json"
    script = Path(__file__).with_name("growth.py")
    command = [sys.executable, script, tiny_bundle, "--slices", "600", "--json", figures]
    ran = subprocess.run(command, capture_output=True, check=False, text=True, timeout=120)
    processes = {one["process"]: one for one in json.loads(figures.read_text())}
    assert set(processes) == {"worker 1", "worker 2", "coordinator"}, ran
    for one in processes.values():
        assert one["files_after"] <= one["files_before"]
        assert one["bytes_after"] < 1.2 * one["bytes_before"]
