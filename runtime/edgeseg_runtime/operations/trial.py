"""Timed inference on this machine: of a tiny probe piece, or of all pieces of a bundle."""

import statistics
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.inference.banded import runner_of
from edgeseg.inference.engine import open_engine

PROBE_FLOPS = 2 * 3 * 3 * 8 * 8 * (126**2 + 124**2 + 122**2 + 120**2)
"""Four 3x3 convolutions of eight channels without padding, from 128 x 128."""

_ROUNDS = 9


@dataclass(frozen=True)
class ProbeTiming:
    """A timed run of the probe piece, which turns ones into ones.

    Attributes
    ----------
    seconds
        Median time of a run on one core.
    worst_error
        The largest deviation of its output from 1.
    """

    seconds: float
    worst_error: float


def time_probe() -> ProbeTiming:
    """Run the probe piece nine times on one core.

    Raises
    ------
    EdgesegError
        If no engine is installed, or it refuses the piece.
    """
    with as_file(files("edgeseg_runtime.operations") / "probe.tflite") as path:
        engine = open_engine(path)
    (port,) = engine.inputs
    ones = np.ones(port.shape, port.dtype)
    times, worst_error = [], 0.0
    for _ in range(_ROUNDS):
        (output,) = engine.run([ones])
        times.append(engine.seconds)
        worst_error = max(worst_error, float(np.abs(output - 1).max()))
    return ProbeTiming(statistics.median(times), worst_error)


def time_bundle(path: Path) -> float:
    """Run every piece of a bundle on zeros, one after the other; return the sum of seconds.

    Raises
    ------
    BundleError
        If the bundle can't be read.
    """
    bundle, seconds = Bundle(path), 0.0
    for piece in bundle.manifest.pieces:
        runner = runner_of(piece, open_engine(bundle.piece(piece), piece.file_format))
        runner.run_on_zeros()
        runner.run_on_zeros()
        seconds += runner.seconds
    return seconds
