"""What a whole bundle needs on one board: its size, time a slice, and peak memory."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

from edgeseg.bundle.bundle_file import MANIFEST, Bundle
from edgeseg.bundle.manifest import Piece
from edgeseg.bundle.manifest_checks import parse_manifest
from edgeseg.errors import EdgesegError
from edgeseg.files.ownership import scratch_folder
from edgeseg.inference.banded import runner_of
from edgeseg.inference.engine import engine_name, open_engine
from edgeseg.inference.measure import peak_resident_bytes
from edgeseg_converters.compare.bundle_runner import LoadedPieces

LEAST_RUNS = 5
LEAST_SECONDS = 2.0
"""Slices are run for so long, so that other work of the machine disturbs the median less."""


class Footprint(msgspec.Struct, frozen=True):
    """Size of the file, growth of a fresh process that runs it, and time of a slice there.

    One thread runs all pieces one after the other; ``ms_per_slice`` is the median.
    """

    bytes: int
    peak_memory_bytes: int
    ms_per_slice: float


def measure_bundle(bundle: Bundle) -> Footprint:
    """Run a bundle in a fresh process that runs nothing else, one thread.

    Raises
    ------
    BundleError
        If a piece is damaged.
    EdgesegError
        If the bundle can't be run.
    """
    with scratch_folder() as folder:
        (folder / MANIFEST).write_bytes(msgspec.json.encode(bundle.manifest))
        for piece in bundle.manifest.pieces:
            _file(folder, piece).write_bytes(bundle.piece(piece))
        run = subprocess.run(
            [
                sys.executable,
                "-m",
                "edgeseg_converters.compare.footprint",
                folder,
                str(LEAST_SECONDS),
            ],
            capture_output=True,
            check=False,
        )
    if run.returncode:
        reason = run.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise EdgesegError(f"{bundle.path} does not run ({' '.join(reason)}); convert it again")
    peak, milliseconds = msgspec.json.decode(run.stdout, type=tuple[int, float])
    return Footprint(bundle.path.stat().st_size, peak, milliseconds)


def _file(folder: Path, piece: Piece) -> Path:
    return folder / f"{piece.name}.{piece.file_format}"


def _run_and_measure(folder: Path, seconds: float) -> tuple[int, float]:
    """Run slices for some seconds; return the growth in bytes and the milliseconds of a slice."""
    manifest = parse_manifest((folder / MANIFEST).read_bytes(), str(folder))
    image = np.zeros(manifest.input.shape, np.float32)
    engine_name()  # loads the engine, which every worker holds anyway
    before = peak_resident_bytes()
    runners = (
        runner_of(piece, open_engine(_file(folder, piece), piece.file_format, warm=True))
        for piece in manifest.pieces
    )
    pieces = LoadedPieces(manifest, tuple(runners))
    pieces(image)
    times: list[float] = []
    while len(times) < LEAST_RUNS or sum(times) < seconds:
        start = time.perf_counter()
        pieces(image)
        times.append(time.perf_counter() - start)
    return peak_resident_bytes() - before, statistics.median(times) * 1e3


if __name__ == "__main__":
    figures = _run_and_measure(Path(sys.argv[1]), float(sys.argv[2]))
    sys.stdout.buffer.write(msgspec.json.encode(figures))
