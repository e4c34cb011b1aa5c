"""``convert --dry-run``: the pieces that a conversion would make, and not one of them made."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from processes import Ran, edgeseg, edgeseg_process, one_line

from edgeseg.bundle.bundle_file import Bundle


@pytest.fixture(scope="module")
def model(tiny_folder: Path) -> Path:
    (path,) = tiny_folder.glob("*.keras")
    return path


def _convert(model: Path, folder: Path, *words: object) -> Ran:
    return edgeseg("convert", model, "-o", folder / "made.edgeseg", *words)


def test_pieces_are_those_of_the_conversion(model: Path, tmp_path: Path) -> None:
    words = ("--max-partitions", "3", "--report", tmp_path / "report.json")
    dry = _convert(model, tmp_path, *words, "--dry-run", "--json")
    assert dry.code == 0, dry.err
    assert not list(tmp_path.iterdir())
    drafted = json.loads(dry.out)
    assert [Path(name).name for name in drafted["writes"]] == ["made.edgeseg", "report.json"]

    assert _convert(model, tmp_path, *words).code == 0
    made = json.loads((tmp_path / "report.json").read_text())
    for field in ("name", "parameters", "flops", "crossing_bytes"):
        assert [one[field] for one in drafted["pieces"]] == [one[field] for one in made["pieces"]]
    assert drafted["crossing_bytes"] == made["crossing_bytes"]
    layers = [len(piece.layers) for piece in Bundle(tmp_path / "made.edgeseg").manifest.pieces]
    assert [one["layers"] for one in drafted["pieces"]] == layers


def test_steps_and_files_are_named(model: Path, tmp_path: Path) -> None:
    ran = _convert(model, tmp_path, "--prune-ratio", "0.5", "--quantize", "float16", "--dry-run")
    assert ran.code == 0, ran.err
    assert ran.err.strip() == "would zero weights, quantize to float16"
    assert f"would write {tmp_path / 'made.edgeseg'}" in ran.out
    assert not list(tmp_path.iterdir())
    slices = tmp_path / "slices"
    slices.mkdir()
    Image.fromarray(np.arange(64 * 64).astype(np.uint8).reshape(64, 64)).save(slices / "0.png")
    ran = _convert(model, tmp_path, "--recipe", "balanced", "--calibration", slices, "--dry-run")
    assert ran.code == 0, ran.err
    assert "would round weights to 2.4 bits, quantize to int8" in " ".join(ran.err.split())


def test_errors_are_those_of_the_conversion(model: Path, tmp_path: Path) -> None:
    def refused(code: int, said: str, *words: object) -> None:
        one_line(_convert(model, tmp_path, *words, "--dry-run"), code, said)

    refused(1, "", "--max-complexity", "1", "--max-partitions", "2")
    refused(2, "int8 needs slices", "--quantize", "int8")
    refused(2, "did you mean 'balanced'?", "--recipe", "balancd")
    refused(1, "create its folder first", "--report", "/none/report.json")


def test_an_interrupt_leaves_nothing(model: Path, tmp_path: Path) -> None:
    words = ("convert", model, "-o", tmp_path / "made.edgeseg", "--verbose")
    with edgeseg_process(*words) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "tiny.keras has 37 layers\n"
        assert process.stderr.readline() == "--strategy adaptive makes 3 pieces of it\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    # Where Python was in the midst of evaluating text, it ends by the signal: 130 in a shell too.
    assert process.returncode in (130, -signal.SIGINT)
    assert not out
    assert err.splitlines()[-1] == "edgeseg: interrupted"
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())
