"""Every script in ``examples/`` is run by a test; here those that train on the command line."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from drawn_slices import write

TESTS = Path(__file__).parent
EXAMPLES = TESTS.parents[1] / "examples"
SOURCED = {"settings.sh", "steps.sh"}
"""Read by scripts that are run."""

HELD_OUT = "case_00002"
TINY = ("--base", 8, "--depth", 1, "--epochs", 1)


def run(name: str, *words: object) -> str:
    """Run one of the kidney network's scripts; return what it said."""
    command = [sys.executable, EXAMPLES / "kidney_unet" / name, *words]
    ran = subprocess.run(list(map(str, command)), capture_output=True, check=False, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data"), {"case_00001": 2, HELD_OUT: 1}, side=32)


def test_a_network_is_trained_and_measured(data: Path, tmp_path: Path) -> None:
    model = tmp_path / "small.keras"
    run("train.py", "--data", data, "-o", model, "--hold-out", HELD_OUT, *TINY)
    with model.with_suffix(".csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 1
    assert "tumor" in run("measure.py", model, "--data", data, "--hold-out", HELD_OUT)


def test_a_fold_is_trained_by_itself(data: Path, tmp_path: Path) -> None:
    run("cross_validate.py", "--data", data, "-o", tmp_path, "--folds", 2, "--only", 1, *TINY)
    assert sorted(path.name for path in tmp_path.glob("*.keras")) == [
        "fold1.checkpoint.keras",
        "fold1.keras",
    ]


def test_no_script_is_left_out() -> None:
    python = (path for path in EXAMPLES.rglob("*.py") if "__main__" in path.read_text("utf-8"))
    scripts = {path.name for path in (*python, *EXAMPLES.rglob("*.sh"))} - SOURCED
    tested = "".join(path.read_text("utf-8") for path in TESTS.parent.rglob("*.py"))
    assert {name for name in scripts if f'"{name}"' not in tested} == set()
