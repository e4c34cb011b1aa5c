"""How fast a core is: a small network of a U-Net's layers is timed when a worker starts."""

import time
from importlib import resources

import zstandard

from edgeseg.boards.boards_file import CoreSpeed
from edgeseg.errors import EdgesegError
from edgeseg.inference.engine import open_engine
from edgeseg.inference.process_memory import give_back_freed_memory

PROBE_FLOPS = 360_972_288
"""FLOPs of a run of the probes, as the compiler counts those of pieces."""

_SECONDS = 0.1
"""How long each probe is repeated at most; the quickest run counts, as others met other work."""

_MOST_RUNS = 20
_MAX_BYTES = 2**20


def measure_core_speed(share: float = 1.0) -> CoreSpeed:
    """Time the probes on one thread of this process.

    A precision that the engine can't run is left out.

    Parameters
    ----------
    share
        How much of a core's time a control group leaves to each core, at most 1.
    """
    speed = CoreSpeed(float32=_rate("float32", share), int8=_rate("int8", share))
    give_back_freed_memory()
    return speed


def _rate(precision: str, share: float) -> float | None:
    """Return FLOP/s, or None if the engine refuses the probe."""
    probes = resources.files("edgeseg_runtime.board") / "probes"
    packed = (probes / f"{precision}.tflite.zst").read_bytes()
    try:
        engine = open_engine(zstandard.decompress(packed, max_output_size=_MAX_BYTES))
    except EdgesegError:
        return None
    quickest, start = float("inf"), time.perf_counter()
    for _ in range(_MOST_RUNS):
        began = time.perf_counter()
        engine.run_on_zeros()
        quickest = min(quickest, time.perf_counter() - began)
        if time.perf_counter() - start > _SECONDS:
            break
    return share * PROBE_FLOPS / quickest
