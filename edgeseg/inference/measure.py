"""What a piece really needs: memory and time, measured in a fresh process that runs nothing else.

The memory growth of a run repeats to a few KiB. It is rounded up and kept per piece, engine and
machine kind, so that compiling the same model again gives the same manifest.
"""

import mmap
import platform
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from edgeseg.bundle.bundle_file import digest
from edgeseg.bundle.manifest import TFLITE
from edgeseg.errors import EdgesegError
from edgeseg.files.atomic import atomic_path
from edgeseg.files.cache import cache_folder
from edgeseg.files.ownership import scratch_folder
from edgeseg.inference.engine import engine_name, open_engine

GRAIN = 256 * 1024
_STEADY_RUNS = 2
_METHOD = 3
"""Rises when what is measured changes, so that older figures are not taken for it."""


class Measurement(msgspec.Struct, frozen=True):
    """How a fresh process grows that loads and runs a piece, and how long a run takes.

    What it keeps, ``resident_memory_bytes``, lacks the pages of the file. Tensors outside of the
    interpreter are in neither figure.
    """

    peak_memory_bytes: int
    resident_memory_bytes: int
    first_ms: float
    steady_ms: float


def measure_piece(model: bytes, file_format: str = TFLITE) -> Measurement:
    """Load and run a piece in a fresh process, one thread; measured once and remembered.

    Parameters
    ----------
    model
        Its file.
    file_format
        What kind of file that is.

    Raises
    ------
    EdgesegError
        If the piece can't be run.
    """
    engine = engine_name(file_format)
    key = digest(f"{_METHOD} {digest(model)} {engine} {platform.machine()}".encode())
    remembered = cache_folder("measured") / f"{key}.json"
    if remembered.exists():
        return msgspec.json.decode(remembered.read_bytes(), type=Measurement)
    measured = _measure_in_fresh_process(model, file_format)
    with atomic_path(remembered) as target:
        target.write_bytes(msgspec.json.encode(measured))
    return measured


def _measure_in_fresh_process(model: bytes, file_format: str) -> Measurement:
    with scratch_folder() as folder:
        file = folder / f"piece.{file_format}"
        file.write_bytes(model)
        run = subprocess.run(
            [sys.executable, "-m", "edgeseg.inference.measure", file, file_format],
            capture_output=True,
            check=False,
        )
    if run.returncode:
        reason = run.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise EdgesegError(f"the compiled piece does not run ({' '.join(reason)})")
    return msgspec.json.decode(run.stdout, type=Measurement)


def peak_resident_bytes() -> int:
    """Return the highest resident size that this process has had."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise EdgesegError("this system does not report VmHWM; edgeseg needs Linux")


def resident_bytes() -> int:
    """Return the resident size of this process now."""
    return int(Path("/proc/self/statm").read_bytes().split()[1]) * mmap.PAGESIZE


def _run_and_measure(path: Path, file_format: str) -> Measurement:
    engine_name(file_format)  # loads the engine, which every worker holds anyway
    before = peak_resident_bytes()
    start = time.perf_counter()
    engine = open_engine(path, file_format, warm=True)
    first = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(_STEADY_RUNS):
        engine.run_on_zeros()
    steady = (time.perf_counter() - start) / _STEADY_RUNS
    peak = peak_resident_bytes() - before
    return Measurement(
        peak_memory_bytes=_rounded(peak),
        resident_memory_bytes=_rounded(min(peak, resident_bytes() - before)),
        first_ms=first * 1e3,
        steady_ms=steady * 1e3,
    )


def _rounded(growth: int) -> int:
    return max(1, -(-growth // GRAIN)) * GRAIN


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(_run_and_measure(Path(sys.argv[1]), sys.argv[2])))
