"""Pull a board's cable in mid-volume and plug it in again: ``cable.py BUNDLE SCAN FOLDER``.

Prints as JSON what the run said and reported; the mask is in the folder.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from network import Machine, machines, set_cable
from workers import PORT, workers

from edgeseg.text.units import MIB

_WAIT = 60.0


def main(bundle: Path, scan: Path, folder: Path) -> None:
    """Segment a scan on two boards, of which one is out of reach for a while."""
    with machines(["head", "one", "two"], "1gbit") as joined:
        boards = [joined["one"], joined["two"]]
        with workers(boards, None, 512 * MIB):
            lines = _segment(joined["head"], boards, (bundle, scan), folder)
    report = json.loads((folder / "report.json").read_text())
    sys.stdout.write(json.dumps({"said": lines, "losses": report["losses"]}))


def _segment(
    head: Machine, boards: Sequence[Machine], bundle_and_scan: tuple[Path, Path], folder: Path
) -> list[str]:
    """Return what the run said while a cable was pulled and plugged in again."""
    addresses = [word for board in boards for word in ("--board", f"{board.address}:{PORT}")]
    checkpoint, errors = folder / "mask.nii.partial", folder / "errors.txt"
    words = (
        "segment",
        *bundle_and_scan,
        "-o",
        folder / "mask.nii",
        "--report",
        folder / "report.json",
    )
    command = head.command((sys.executable, "-m", "edgeseg", *words, *addresses))
    with errors.open("w") as file, subprocess.Popen(command, stderr=file) as run:
        try:
            _until(lambda: checkpoint.exists() and checkpoint.stat().st_size > 10_000)
            set_cable(boards[1], "down")
            _until(lambda: "was lost" in errors.read_text())
            set_cable(boards[1], "up")
            _until(lambda: "joined" in errors.read_text())
            if run.wait(_WAIT) != 0:
                raise RuntimeError(errors.read_text())
        finally:
            run.kill()
    return errors.read_text().splitlines()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WAIT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
