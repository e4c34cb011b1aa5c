"""The demo: runs the commands of the main job one after the other, on a real CT."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import numpy as np

from edgeseg.boards.boards_file import WORKER_BASE, Board
from edgeseg.boards.link import LOOPBACK
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.manifest import Manifest
from edgeseg.demo.sample import KIDNEYS, sample
from edgeseg.errors import EdgesegError, OutputError, PlacementError, field_name
from edgeseg.imaging.formats import read_scan
from edgeseg.output.terminal import console
from edgeseg.planning.planner import plan
from edgeseg.planning.problem.from_pieces import problem_of
from edgeseg.progress import Progress, silent
from edgeseg.scoring.dice import dice
from edgeseg.text.units import MIB, format_bytes

WORKERS = 2
_STEP = 4 * MIB

_SOURCE_TREE = Path(__file__).parents[2] / "examples" / "kidney_unet" / "kidney-unet.keras"
_INSTALLED = Path(__file__).parent / "kidney-unet.keras"


def run(folder: Path, progress: Progress = silent) -> None:
    """Compile, start workers, segment, compare with the sample's labels; all files go to a folder.

    Raises
    ------
    EdgesegError
        If any step fails.
    """
    model = sample_model()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = f"give {field_name('output')}"
        raise OutputError(f"can't make {folder} ({error.strerror}); {remedy}") from None
    ct = sample(progress)
    bundle, mask = folder / "kidney.edgeseg", folder / "mask.nii.gz"
    _edgeseg(
        *("convert", model, "-o", bundle, "--max-partitions", 6),
        *("--window", "0,255", "--postprocess", "kidney"),
    )
    limit = worker_limit(Bundle(bundle).manifest)
    console.print(
        f"\nEach worker may take {format_bytes(limit)}, too little for the whole model: "
        "its pieces go to both."
    )
    with ExitStack() as stack:
        boards = [stack.enter_context(_worker(limit)) for _ in range(WORKERS)]
        _edgeseg(
            *("segment", bundle, ct.ct, "-o", mask),
            *(word for board in boards for word in ("--board", board)),
            *("--preview", folder / "preview.png"),
            *("--statistics", folder / "statistics.json"),
            *("--report", folder / "report.json"),
        )
    volume_dice, slices_dice, count = kidney_dice(mask, ct.labels)
    console.print(
        f"kidney Dice against TotalSegmentator's labels of the same CT: {volume_dice:.3f} over the "
        f"whole volume, {slices_dice:.3f} over the {count} slices that show kidneys"
    )


def sample_model() -> Path:
    """Return the sample U-Net: beside this module when installed, else in the source tree.

    Raises
    ------
    EdgesegError
        If it is in neither place.
    """
    for path in (_INSTALLED, _SOURCE_TREE):
        if path.exists():
            return path
    raise EdgesegError("the sample model is not installed; reinstall edgeseg")


def worker_limit(manifest: Manifest) -> int:
    """Return the least memory limit, in bytes, with which all workers of the demo are busy.

    It is less than the whole model needs, so that it must be cut.
    """
    limits = count(WORKER_BASE, _STEP)
    return next(limit for limit in limits if _keeps_all_busy(manifest, limit))


def _keeps_all_busy(manifest: Manifest, limit: int) -> bool:
    boards = [Board(f"worker-{n}", limit, WORKER_BASE) for n in range(WORKERS)]
    links = {board.name: LOOPBACK for board in boards}
    try:
        lanes = plan(problem_of(manifest.pieces, boards, links=links, coordinator=LOOPBACK)).lanes
    except PlacementError:
        return False
    return lanes[0].window >= WORKERS


def kidney_dice(mask: Path, labels: Path) -> tuple[float, float, int]:
    """Score a mask of any labels against both kidneys of the sample's labels.

    Returns
    -------
    tuple of float, float and int
        The Dice of the volume, that of the slices in which kidneys are labelled, and the number of
        those slices.
    """
    prediction, truth = read_scan(mask), read_scan(labels)
    kidneys = np.stack([np.isin(truth.slice(k), KIDNEYS) for k in range(len(truth))])
    predicted = np.stack([prediction.slice(k) > 0 for k in range(len(prediction))])
    shows = kidneys.any(axis=(1, 2))
    return dice(kidneys, predicted), dice(kidneys[shows], predicted[shows]), int(shows.sum())


def _edgeseg(*words: object) -> None:
    """Show a command and run it; its own message stands if it fails."""
    text = [str(word) for word in words]
    console.print(f"\n[bold]$ edgeseg {shlex.join(text)}[/bold]", soft_wrap=True)
    code = subprocess.run([sys.executable, "-m", "edgeseg", *text], check=False).returncode
    if code:
        raise EdgesegError(f"edgeseg {text[0]} failed with exit code {code}")


@contextmanager
def _worker(limit: int) -> Iterator[str]:
    """Start a worker on a free port of loopback; yields its endpoint, stops it at the end."""
    words = ["worker", "--listen", "tcp://127.0.0.1:*", "--memory-limit", f"{limit // MIB}MiB"]
    console.print(f"[bold]$ edgeseg {shlex.join(words)} --cores 1 &[/bold]", soft_wrap=True)
    command = [sys.executable, "-m", "edgeseg", *words, "--cores", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith("listening on "):
                raise EdgesegError("a worker did not start")
            yield line.removeprefix("listening on ").strip()
        finally:
            process.terminate()
