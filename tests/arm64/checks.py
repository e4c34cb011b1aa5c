"""The project on an emulated 64-bit ARM: fit to be a board, and its masks are the same.

Run by ``run.py``, which names the userland in EDGESEG_ARM64_ROOT.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import userland
from companions import relay, segment_together
from numpy.typing import NDArray
from processes import Ran, edgeseg

from edgeseg.imaging.levels import Grey

ROOT = Path(os.environ["EDGESEG_ARM64_ROOT"])
ARM64 = tuple(userland.command(ROOT, userland.PYTHON, "-m", "edgeseg"))
NATIVE = (sys.executable, "-m", "edgeseg")
PATIENCE = 300.0
"""Seconds for what takes two natively: the emulator is slow, and the machine may be busy."""

SUPPORT = Path(__file__).parents[1] / "support"
SLICES = 4
FLOAT_ROUNDING = 1e-5
"""NEON adds in another order than AVX."""


@dataclass(frozen=True)
class Folder:
    """A folder of the userland, as both sides see it."""

    path: Path

    def inside(self, name: str) -> str:
        """Return the path of a file as arm64 programs see it."""
        return f"/{(self.path / name).relative_to(ROOT)}"


@pytest.fixture(scope="module")
def folder(tiny_bundle: Path, hounsfield: NDArray[np.int16]) -> Iterator[Folder]:
    """Scan and bundle within the userland, and the mask that this machine makes of them."""
    path = Path(tempfile.mkdtemp(prefix="edgeseg-", dir=ROOT / "tmp"))
    shutil.copy(tiny_bundle, path / "tiny.edgeseg")
    nib.save(nib.Nifti1Image(hounsfield[:SLICES].T, np.eye(4)), path / "scan.nii")
    native = edgeseg(
        *("segment", path / "tiny.edgeseg", path / "scan.nii", "-o", path / "native.nii"),
        *("--local", 1),
    )
    assert native.code == 0, native
    yield Folder(path)
    shutil.rmtree(path)


def arm64(*words: object) -> Ran:
    return edgeseg(*words, timeout=PATIENCE, command=ARM64)


def assert_same_mask(folder: Folder, name: str) -> None:
    """Masks are compared as files: voxels, geometry and all."""
    native = (folder.path / "native.nii").read_bytes()
    assert np.asarray(nib.load(folder.path / "native.nii").dataobj).any()
    assert (folder.path / name).read_bytes() == native


def test_doctor_finds_it_fit_to_be_a_board(folder: Folder) -> None:
    ran = arm64("doctor", "--json", "--bundle", folder.inside("tiny.edgeseg"))
    said = json.loads(ran.out)
    found = {finding["check"]: finding for finding in said["findings"]}
    assert (ran.code, said["fit"]) == (0, True), said
    assert found["system"]["found"] == "Linux aarch64, 64-bit Python"
    assert f"ai-edge-litert {version('ai-edge-litert')}" in found["engine"]["found"]
    assert {found[check]["status"] for check in ("system", "python", "engine", "bundle")} == {"ok"}


def test_every_piece_computes_the_same_but_for_rounding(folder: Folder) -> None:
    script = shutil.copy(SUPPORT / "run_pieces.py", folder.path)
    bundle, here, there = "tiny.edgeseg", "native.npz", "arm64.npz"
    subprocess.run([sys.executable, script, folder.path / bundle, folder.path / here], check=True)
    words = (folder.inside(name) for name in ("run_pieces.py", bundle, there))
    subprocess.run(userland.command(ROOT, userland.PYTHON, *words), check=True)
    native, emulated = (np.load(folder.path / name) for name in (here, there))
    assert sorted(native) == sorted(emulated)
    for name in native:
        np.testing.assert_allclose(emulated[name], native[name], rtol=0, atol=FLOAT_ROUNDING)


def test_an_arm64_and_a_native_worker_segment_together(folder: Folder) -> None:
    bundle, scan, mask = (folder.path / n for n in ("tiny.edgeseg", "scan.nii", "together.nii"))
    report = segment_together(bundle, scan, mask, (ARM64, NATIVE), PATIENCE)
    assert report["slices"] == SLICES
    assert_same_mask(folder, mask.name)


def test_every_slice_passes_both(tiny_bundle: Path, uncut_bundle: Path, greys: list[Grey]) -> None:
    handed = relay(tiny_bundle, greys[:SLICES], (ARM64, NATIVE))
    np.testing.assert_equal(handed, relay(uncut_bundle, greys[:SLICES], (NATIVE,)))


def test_arm64_segments_by_itself(folder: Folder) -> None:
    words = (folder.inside(name) for name in ("tiny.edgeseg", "scan.nii"))
    ran = arm64("segment", *words, "-o", folder.inside("alone.nii"), "--local", 1)
    assert ran.code == 0, ran
    assert_same_mask(folder, "alone.nii")
