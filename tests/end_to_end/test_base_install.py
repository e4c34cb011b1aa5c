"""What a board installs, without the extras, segments; and says what is missing for the rest.

``make test`` makes that environment and names its Python in EDGESEG_BASE_PYTHON.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

MODEL = Path(__file__).parents[2] / "examples" / "kidney_unet" / "kidney-unet.keras"


@pytest.fixture(scope="module")
def base_python() -> str:
    python = os.environ.get("EDGESEG_BASE_PYTHON")
    if not python:
        pytest.skip("EDGESEG_BASE_PYTHON is not set: run make test")
    return python


def run(python: str, *words: object) -> "subprocess.CompletedProcess[str]":
    command = [python, "-m", "edgeseg", *map(str, words)]
    return subprocess.run(command, capture_output=True, check=False, text=True, cwd="/")


def test_has_no_tensorflow(base_python: str) -> None:
    code = "import importlib.util as u, sys; sys.exit(u.find_spec('tensorflow') is not None)"
    assert subprocess.run([base_python, "-c", code], check=False, cwd="/").returncode == 0


def test_segments(
    base_python: str, tiny_bundle: Path, hounsfield: NDArray[np.int16], tmp_path: Path
) -> None:
    scan, here, there = (tmp_path / f"{name}.nii" for name in ("scan", "here", "there"))
    nib.save(nib.Nifti1Image(hounsfield.T, np.eye(4)), scan)
    for python, mask in ((sys.executable, here), (base_python, there)):
        ran = run(python, "segment", tiny_bundle, scan, "-o", mask, "--local", 1)
        assert ran.returncode == 0, ran.stderr
    assert here.read_bytes() == there.read_bytes()


@pytest.mark.parametrize("command", ["convert", "inspect"])
def test_names_the_extra_that_converting_needs(
    base_python: str, command: str, tmp_path: Path
) -> None:
    flags = ("-o", tmp_path / "x.edgeseg") if command == "convert" else ()
    ran = run(base_python, command, MODEL, *flags)
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert "edgeseg[convert]" in line


def test_names_the_extra_that_metrics_need(base_python: str) -> None:
    ran = run(base_python, "worker", "--listen", "127.0.0.1:*", "--metrics", "127.0.0.1:0")
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert "edgeseg[metrics]" in line


def test_names_the_extra_that_dicom_needs(base_python: str, tmp_path: Path) -> None:
    image = tmp_path / "IM000001"
    image.write_bytes(bytes(128) + b"DICM")
    ran = run(base_python, "segment", "x.edgeseg", image, "-o", tmp_path / "mask.nii.gz")
    assert ran.returncode == 2
    (line,) = ran.stderr.splitlines()
    assert "edgeseg[dicom]" in line


def test_is_found_complete_by_doctor(base_python: str) -> None:
    """The piece that is timed comes with the package."""
    findings = json.loads(run(base_python, "doctor", "--json").stdout)["findings"]
    status = {finding["check"]: finding["status"] for finding in findings}
    assert (status["python"], status["engine"]) == ("ok", "ok")
