"""The scripts of ``examples/`` make a fresh Debian a board, and segment on it with keys.

Run by ``run.py``, which names the userland in EDGESEG_ARM64_ROOT.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import emulation
import nibabel as nib
import numpy as np
import pytest
import userland
from numpy.typing import NDArray
from ports import free_ports

ROOT = Path(os.environ["EDGESEG_ARM64_ROOT"])
WORKSTATION = Path(__file__).parents[2] / "examples" / "boards" / "workstation.sh"
PIP = ("PIP_NO_INDEX=1", "PIP_FIND_LINKS=/mnt", "PIP_NO_COMPILE=0")
"""The board has no way to PyPI here: it takes the same wheels from a folder.

And compiles nothing: pip takes 0 there for yes.
"""

SLICES = 4
PATIENCE = 600.0


@dataclass(frozen=True)
class Board:
    """A Debian that ``board.sh`` has set up."""

    root: Path
    said: str

    @property
    def settings(self) -> Path:
        return self.root / "etc" / "edgeseg"

    @property
    def process(self) -> int:
        return int((self.root / "run" / "edgeseg-worker.pid").read_text())


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the workstation keeps."""
    return tmp_path_factory.mktemp("workstation")


def workstation(kept: Path, *words: object, **variables: object) -> str:
    """Run the workstation's script natively; return what it said."""
    told = {"EDGESEG_FOLDER": kept, "EDGESEG_PYTHON": sys.executable, **variables}
    environment = os.environ | {name: str(value) for name, value in told.items()}
    command = list(map(str, (WORKSTATION, *words)))
    ran = subprocess.run(
        command, capture_output=True, check=False, text=True, env=environment, timeout=PATIENCE
    )
    assert ran.returncode == 0, ran
    return ran.stdout


@pytest.fixture(scope="module")
def board(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A Debian on which there was nothing of the project, after its script has run."""
    wheels = ROOT.parent / "wheels"
    (wheel,) = wheels.glob("edgeseg-*.whl")
    workstation(kept, "kit", "raspberry_pi", EDGESEG_WHEEL=wheel)
    root = emulation.overlay(ROOT, tmp_path_factory.mktemp("board"))
    shutil.rmtree(root / "opt" / "edgeseg")
    emulation.mount(wheels, root / "mnt", "--bind")
    with tarfile.open(kept / "raspberry_pi.tar.gz") as kit:
        kit.extractall(root / "root", filter="data")
    words = (
        f"EDGESEG_LISTEN=tcp://127.0.0.1:{free_ports()}",
        "EDGESEG_MEMORY=512MiB",
        *PIP,
        "/root/raspberry_pi/board.sh",
    )
    log = kept / "board.log"
    with log.open("w") as out:  # no pipe: the worker that it starts would hold it open
        command = userland.command(root, *words)
        code = subprocess.run(command, check=False, stdout=out, stderr=out, timeout=PATIENCE)
    assert code.returncode == 0, log.read_text()
    made = Board(root, log.read_text())
    yield made
    os.kill(made.process, signal.SIGTERM)


def test_it_becomes_a_board(board: Board) -> None:
    assert "This board is ready." in board.said
    assert "Linux aarch64, 64-bit Python" in board.said


def test_its_worker_is_a_user_of_its_own_that_alone_reads_the_key(board: Board) -> None:
    lines = (board.root / "etc" / "passwd").read_text().splitlines()
    users = {name: int(number) for name, _, number, *_ in (line.split(":") for line in lines)}
    status = Path(f"/proc/{board.process}/status").read_text().splitlines()
    (owner,) = (line.split()[1:] for line in status if line.startswith("Uid:"))
    assert owner == [str(users["edgeseg"])] * 4
    key = (board.settings / "worker.key").stat()
    assert (key.st_uid, key.st_mode & 0o777) == (users["edgeseg"], 0o600)
    assert (board.settings / "worker.toml").stat().st_uid == 0


def test_a_scan_is_segmented_on_it_as_natively(
    board: Board, kept: Path, tiny_bundle: Path, hounsfield: NDArray[np.int16]
) -> None:
    shutil.copy(board.settings / "board.toml", kept / "boards" / "pi-a.toml")
    scan = kept / "scan.nii"
    nib.save(nib.Nifti1Image(hounsfield[:SLICES].T, np.eye(4)), scan)
    said = workstation(kept, "segment", scan, EDGESEG_BUNDLE=tiny_bundle)
    assert "labelled, 0.000% apart" in said
    mask, reference = (
        np.asarray(nib.load(kept / f"{name}.nii.gz").dataobj) for name in ("mask", "reference")
    )
    assert mask.any()
    np.testing.assert_array_equal(mask, reference)
    (on,) = json.loads((kept / "report.json").read_text())["boards"]
    assert on["pieces"]
