"""The uncut model in a process of its own, as the thing to be compared with.

``python baseline.py MODEL THREADS SLICES`` loads and warms up, says ``ready``, waits for a line on
standard input so that several start together, runs, and prints JSON.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from edgeseg.inference.engine import open_engine
from edgeseg.inference.measure import peak_resident_bytes


def main() -> None:
    model, threads, slices = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    interpreter = open_engine(model, threads=threads)
    noise = np.random.default_rng(0).uniform(size=interpreter.inputs[0].shape)
    image = noise.astype(np.float32)
    interpreter.run_on_zeros()
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    for _ in range(slices):
        interpreter.run([image])
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_memory_bytes": peak_resident_bytes()}))


if __name__ == "__main__":
    main()
