"""With tflite-runtime 2.14 and NumPy 1 in place of ai-edge-litert the masks are the same.

``make test-tflite-runtime`` makes that environment and names its Python in EDGESEG_TFLITE_PYTHON.
"""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from companions import relay, segment_together
from numpy.typing import NDArray
from processes import edgeseg

from edgeseg.imaging.levels import Grey

HERE = (sys.executable, "-m", "edgeseg")
ROUNDING = 0.03
"""Share of pixels in which int8 masks may differ: kernels of 2.14 round otherwise."""


@pytest.fixture(scope="module")
def tflite_python() -> str:
    python = os.environ.get("EDGESEG_TFLITE_PYTHON")
    if not python:
        pytest.skip("EDGESEG_TFLITE_PYTHON is not set: run make test-tflite-runtime")
    return python


@pytest.fixture(scope="module")
def tflite_command(tflite_python: str) -> tuple[str]:
    return (str(Path(tflite_python).with_name("edgeseg")),)


@pytest.fixture(scope="module")
def precisions(tiny_folder: Path) -> Path:
    """Folder with the tiny U-Net in lower precisions."""
    script = Path(__file__).parents[1] / "support" / "tiny_precisions.py"
    subprocess.run([sys.executable, script, tiny_folder], check=True, capture_output=True)
    return tiny_folder


@pytest.fixture
def scan(hounsfield: NDArray[np.int16], tmp_path: Path) -> Path:
    path = tmp_path / "scan.nii"
    nib.save(nib.Nifti1Image(hounsfield.T, np.eye(4)), path)
    return path


def said(python: str, code: str) -> str:
    ran = subprocess.run([python, "-c", code], capture_output=True, check=True, text=True, cwd="/")
    return ran.stdout


def unequal(bundle: Path, scan: Path, command: tuple[str]) -> float:
    """Segment with both engines; return the share of pixels in which the masks differ."""
    here, there = scan.with_name("here.nii"), scan.with_name("there.nii")
    for installed, mask in ((HERE, here), (command, there)):
        ran = edgeseg("segment", bundle, scan, "-o", mask, "--local", 1, command=installed)
        assert ran.code == 0, ran
    masks = [np.asarray(nib.load(mask).dataobj) for mask in (here, there)]
    assert masks[0].any()
    return float(np.mean(masks[0] != masks[1]))


def test_the_engine_is_tflite_runtime_and_numpy_1(tflite_python: str) -> None:
    code = "import numpy, edgeseg.inference.engine as i; print(i.engine_name(), numpy.__version__)"
    assert re.fullmatch(r"tflite-runtime 2\.14\.0 1\.\d+\.\d+\n", said(tflite_python, code))


def test_of_what_the_project_needs_it_lacks_the_other_engine_alone(tflite_python: str) -> None:
    """Its versions are listed by hand; this is what tells that one is missing."""
    code = (
        "from importlib.metadata import distributions, requires\n"
        "from packaging.requirements import Requirement\n"
        "have = {d.name.lower().replace('_', '-'): d.version for d in distributions()}\n"
        "for need in map(Requirement, requires('edgeseg')):\n"
        "    if not (need.marker and not need.marker.evaluate({'extra': ''})):\n"
        "        if not need.specifier.contains(have.get(need.name, '0')):\n"
        "            print(need.name)"
    )
    assert said(tflite_python, code).split() == ["ai-edge-litert"]


@pytest.mark.parametrize("name", ["5", "float16"])
def test_masks_are_the_same(
    precisions: Path, scan: Path, tflite_command: tuple[str], name: str
) -> None:
    assert unequal(precisions / f"{name}.edgeseg", scan, tflite_command) == 0


@pytest.mark.parametrize("name", ["dynamic", "int8"])
def test_int8_masks_differ_by_rounding(
    precisions: Path, scan: Path, tflite_command: tuple[str], name: str
) -> None:
    assert unequal(precisions / f"{name}.edgeseg", scan, tflite_command) < ROUNDING


def test_fewer_products_are_the_same_to_both(
    precisions: Path, scan: Path, tflite_command: tuple[str]
) -> None:
    assert unequal(precisions / "wide.edgeseg", scan, tflite_command) <= 1e-3


def test_both_engines_segment_together(
    tiny_bundle: Path, uncut_bundle: Path, scan: Path, tflite_command: tuple[str]
) -> None:
    together, alone = scan.with_name("together.nii"), scan.with_name("alone.nii")
    report = segment_together(tiny_bundle, scan, together, (tflite_command, HERE))
    engines = [board["versions"]["engine"] for board in report["boards"]]
    assert engines == ["tflite-runtime 2.14.0", f"ai-edge-litert {version('ai-edge-litert')}"]
    assert edgeseg("segment", uncut_bundle, scan, "-o", alone, "--local", 1).code == 0
    assert together.read_bytes() == alone.read_bytes()


def test_pieces_hand_tensors_from_engine_to_engine(
    tiny_bundle: Path, uncut_bundle: Path, greys: list[Grey], tflite_command: tuple[str]
) -> None:
    handed = relay(tiny_bundle, greys, (tflite_command, HERE))
    np.testing.assert_equal(handed, relay(uncut_bundle, greys, (HERE,)))


def test_what_it_lacks_is_refused_with_a_way_out(
    precisions: Path, scan: Path, tflite_command: tuple[str]
) -> None:
    """It knows no transposed convolution whose weights alone are int8."""
    words = ("segment", precisions / "overlapping.edgeseg", scan, "-o", scan.with_name("mask.nii"))
    ran = edgeseg(*words, "--local", 1, command=tflite_command)
    assert ran.code == 1
    assert "TRANSPOSE_CONV" in ran.err
    assert "install ai-edge-litert, or convert to float16 or int8" in ran.err
