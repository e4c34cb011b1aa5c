"""What is done on the boards of a lab, from the coordinator's machine."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from network import Machine
from workers import PORT

from edgeseg.bundle.bundle_file import Bundle, digest_file

COORDINATOR = "coordinator"

_DRIVE = Path(__file__).with_name("drive.py")


@dataclass(frozen=True)
class Lab:
    """A bundle and the boards for it, with a worker on each.

    Parameters
    ----------
    rate
        Of every wire, as boards files have it.
    cores
        Share of a core that a board may take; None without quotas.
    memory
        Bytes that a board may take.
    folder
        For files that go with the lab.
    """

    bundle: Path
    coordinator: Machine
    boards: tuple[Machine, ...]
    rate: str
    cores: float | None
    memory: int
    folder: Path

    def profile(self) -> Path:
        """Write the boards file, and let ``edgeseg profile`` fill in what it measures."""
        link = f'up = "{self.rate}"\ndown = "{self.rate}"\n'
        entries = [
            f'[[board]]\nname = "{board.name}"\nendpoint = "tcp://{board.address}:{PORT}"\n'
            f'memory = "{self.memory}"\n{link}'
            for board in self.boards
        ]
        path = self.folder / "boards.toml"
        path.write_text("\n".join([f"[coordinator]\n{link}", *entries]))
        self._python("-m", "edgeseg", "profile", self.bundle, "--boards", path, "--rounds", 5)
        return path

    def plan(self, boards: Path) -> dict[str, Any]:
        """Return what ``edgeseg plan`` says."""
        words = ("-m", "edgeseg", "plan", self.bundle, "--boards", boards, "--json")
        figures: dict[str, Any] = json.loads(self._python(*words))
        return figures

    def segment(
        self, boards: Path, slices: int, scan: Path | None = None, wire: str = "auto"
    ) -> dict[str, Any]:
        """Segment a scan, by default noise, and return the report, with the mask's digest."""
        if scan is None:
            scan = self._noise(slices)
        report, mask = self.folder / "report.json", self.folder / "mask.nii"
        files = ("-o", mask, "--boards", boards, "--report", report, "--wire", wire)
        self._python("-m", "edgeseg", "segment", self.bundle, scan, *files)
        figures: dict[str, Any] = json.loads(report.read_text())
        return figures | {"mask": digest_file(mask)}

    def _noise(self, slices: int) -> Path:
        scan = self.folder / "scan.nii"
        rows, columns = Bundle(self.bundle).manifest.preprocessing.size
        noise = np.random.default_rng(0).integers(0, 256, (columns, rows, slices), np.int16)
        nib.save(nib.Nifti1Image(noise, np.diag([-1.0, -1.0, 1.0, 1.0])), scan)
        return scan

    def drive(self, boards: Path, slices: int) -> dict[str, dict[str, float]]:
        """Return figures of the contiguous and the folded chain that ship the fewest bytes."""
        figures: dict[str, dict[str, float]] = json.loads(
            self._python(_DRIVE, self.bundle, boards, slices)
        )
        return figures

    def _python(self, *words: object) -> str:
        """Run Python on the coordinator's machine and return what it prints."""
        command = self.coordinator.command([sys.executable, *words])
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
