"""Small rounds of the fuzzers: what they find in a moment is found here."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


def _run(script: str, target: Path, *words: object) -> Any:
    process = subprocess.run(
        [sys.executable, str(_FOLDER / script), *map(str, words), "--json", str(target)],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(target.read_text())


def test_hostile_messages_are_stood(tiny_bundle: Path, tmp_path: Path) -> None:
    worker, coordinator = _run("messages.py", tmp_path / "a.json", tiny_bundle, "--count", 4000)
    assert worker["messages"] == coordinator["messages"] == 4000
    assert min(worker["kinds"].values()) > 0
    assert coordinator["answers"]["slices done meanwhile"] > 0


def test_mutated_bundles_are_read_or_refused(tmp_path: Path) -> None:
    figures = _run("bundles.py", tmp_path / "a.json", "--count", 1000, "--random")
    assert figures["bundles"] == 1000
    assert figures["BundleError"] > figures["read"] > 0


def test_mutated_pieces_and_orders_are_stood_by_one_worker(tmp_path: Path) -> None:
    figures = _run("pieces.py", tmp_path / "a.json", "--count", 120)
    assert figures["orders"] == 120
    assert min(figures["piece run"], figures["piece refused"], figures["order refused"]) > 0
