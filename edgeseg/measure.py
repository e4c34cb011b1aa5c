"""What a piece really needs: memory and time, measured in a fresh process that runs nothing else.

The memory growth of a run repeats to a few KiB. It is rounded up and kept per piece, engine and
machine kind, so that compiling the same model again gives the same manifest.
"""

import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from edgeseg.bundle import digest
from edgeseg.cache import cache_folder
from edgeseg.errors import EdgesegError
from edgeseg.files import atomic_path
from edgeseg.interpreter import Interpreter, engine_name

GRAIN = 256 * 1024
_STEADY_RUNS = 2


class Measurement(msgspec.Struct, frozen=True):
    """Peak growth of a fresh process that loads and runs a piece, and its two times."""

    peak_memory_bytes: int
    first_ms: float
    steady_ms: float


def measure_piece(model: bytes) -> Measurement:
    """Load and run TFLite bytes in a fresh process, one thread; measured once and remembered.

    Raises
    ------
    EdgesegError
        If the piece can't be run.
    """
    key = digest(f"{digest(model)} {engine_name()} {platform.machine()}".encode())
    remembered = cache_folder("measured") / f"{key}.json"
    if remembered.exists():
        return msgspec.json.decode(remembered.read_bytes(), type=Measurement)
    measured = _measure_in_fresh_process(model)
    with atomic_path(remembered) as target:
        target.write_bytes(msgspec.json.encode(measured))
    return measured


def _measure_in_fresh_process(model: bytes) -> Measurement:
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(model)
        file.flush()
        run = subprocess.run(
            [sys.executable, "-m", "edgeseg.measure", file.name],
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
    raise EdgesegError("this system does not report peak memory; edgeseg needs Linux")


def _run_and_measure(path: Path) -> Measurement:
    before = peak_resident_bytes()
    start = time.perf_counter()
    interpreter = Interpreter(path)
    arrays = [np.zeros(port.shape, port.dtype) for port in interpreter.inputs]
    interpreter.run(arrays)
    first = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(_STEADY_RUNS):
        interpreter.run(arrays)
    steady = (time.perf_counter() - start) / _STEADY_RUNS
    growth = peak_resident_bytes() - before
    return Measurement(-(-growth // GRAIN) * GRAIN, first * 1e3, steady * 1e3)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(_run_and_measure(Path(sys.argv[1]))))
