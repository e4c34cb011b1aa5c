"""A board whose cable is pulled is gone on without, and taken back when it is plugged in."""

import json
import subprocess
import sys
from pathlib import Path

from processes import Workers, segment
from scans import write_ct

_FOLDER = Path(__file__).parent


def test_a_pulled_cable_costs_no_slice(workers: Workers, tiny_bundle: Path, tmp_path: Path) -> None:
    scan = write_ct(tmp_path / "ct.nii", (64, 64, 6000))
    undisturbed = segment(tiny_bundle, scan, tmp_path / "expected.nii", workers.start())
    assert undisturbed.code == 0, undisturbed
    folder = tmp_path / "cable"
    folder.mkdir()
    command = [sys.executable, _FOLDER / "cable.py", tiny_bundle, scan, folder]
    process = subprocess.run(command, capture_output=True, check=False, text=True, timeout=240)
    assert process.returncode == 0, process.stderr
    outcome = json.loads(process.stdout[process.stdout.index('{"said"') :])
    assert outcome["said"][0] == ("board board-2 was lost (no word for 2 s); going on with 1 board")
    assert "board-2 joined: 2 boards from here on" in outcome["said"]
    assert all(loss["recovery_seconds"] < 30 for loss in outcome["losses"])
    assert (folder / "mask.nii").read_bytes() == (tmp_path / "expected.nii").read_bytes()
