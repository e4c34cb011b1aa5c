"""What is measured: each function runs one thing for real and returns plain figures."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.manifest import Manifest
from edgeseg.inference.engine import open_engine
from edgeseg.inference.engine_protocol import Engine
from edgeseg_runtime import Segmenter
from edgeseg_runtime.results.run_report import RunReport

_BASELINE = Path(__file__).with_name("baseline.py")


@dataclass(frozen=True)
class Baseline:
    """The uncut model, in one process or several at once."""

    slices_per_second: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class Run:
    """A run on workers, and what it took beside inference: CPU seconds of all processes."""

    report: RunReport
    inference_seconds: float
    other_cpu_seconds: float

    @property
    def overhead(self) -> float:
        """Work that is not inference, as a share of inference."""
        return self.other_cpu_seconds / self.inference_seconds


_SPINNING = 0.05
"""Seconds after which threads of LiteRT that have nothing to do have gone to sleep."""


def images(slices: int, size: int = 256) -> NDArray[np.float32]:
    """Noise in 0..255 HU; the time of a slice does not depend on what it shows."""
    noise = np.random.default_rng(0).uniform(0, 255, (slices, size, size))
    return noise.astype(np.float32)


def uncut(model: Path, *, processes: int, threads: int, slices: int) -> Baseline:
    """Run the uncut model in some processes at once, each on all the slices."""
    command = [sys.executable, str(_BASELINE), str(model), str(threads), str(slices)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [json.loads(process.communicate()[0]) for process in running]
    return Baseline(
        sum(slices / result["seconds"] for result in results),
        max(result["peak_memory_bytes"] for result in results),
    )


def on_workers(bundle: Path, *, workers: int, memory_limit: int | None, slices: int) -> Run:
    """Segment with local workers of one core each, after two slices that are not counted."""
    voxels = images(slices)
    with Segmenter(bundle, local=workers, memory_limit=memory_limit) as segmenter:
        segmenter.segment(voxels[:2])
        cpu = _cpu_seconds()
        report, spent = segmenter.segment(voxels).report, _cpu_seconds() - cpu
    inference = sum(piece.runs * piece.mean_ms / 1e3 for piece in report.pieces)
    return Run(report, inference, spent - inference)


def one_slice(
    bundle: Path, model: Path, *, workers: int, threads: Sequence[int], slices: int
) -> list[float]:
    """How many times as fast local workers of one core are as the uncut model on some threads.

    One slice at a time, from slice to mask, and in turn with the uncut model: what slows the
    machine for a while slows all of them. Medians of the ratios.
    """
    uncut_models = [open_engine(model, threads=count) for count in threads]
    for interpreter in uncut_models:
        interpreter.run_on_zeros()
    ratios = []
    with Segmenter(bundle, local=workers, objective="latency") as segmenter:
        segmenter.segment(images(2))
        for voxels in images(slices):
            inputs = [voxels[np.newaxis, :, :, np.newaxis] / np.float32(255)]
            seconds = [_seconds(interpreter, inputs) for interpreter in uncut_models]
            ours = segmenter.segment(voxels).report.seconds
            ratios.append([one / ours for one in seconds])
    return [float(np.median(column)) for column in zip(*ratios, strict=True)]


def _seconds(interpreter: Engine, inputs: Sequence[NDArray[np.float32]]) -> float:
    start = time.perf_counter()
    interpreter.run(inputs)
    seconds = time.perf_counter() - start
    time.sleep(_SPINNING)
    return seconds


def _cpu_seconds() -> float:
    """CPU time so far of this process and its children."""
    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children())]
    return sum(t.user + t.system for t in times)


def piece_seconds(bundle: Bundle, uncut: Bundle, rounds: int) -> tuple[float, float, bool]:
    """Median time of the pieces in order and of the uncut model, and whether outputs are equal.

    Both run in this process, on one thread, in turn; each round on an image of its own.
    """
    chains = [_loaded(bundle), _loaded(uncut)]
    times: list[list[float]] = [[], []]
    equal = True
    for image in images(rounds)[:, np.newaxis, :, :, np.newaxis] / np.float32(255):
        outputs = []
        for chain, seconds in zip(chains, times, strict=True):
            output, spent = _run_chain(chain, image)
            outputs.append(output)
            seconds.append(spent)
        equal &= np.array_equal(*outputs)
    pieces, whole = (float(np.median(seconds)) for seconds in times)
    return pieces, whole, equal


_Chain = tuple[Manifest, list[Engine]]


def _loaded(bundle: Bundle) -> _Chain:
    interpreters = [open_engine(bundle.piece(piece)) for piece in bundle.manifest.pieces]
    for interpreter in interpreters:
        interpreter.run_on_zeros()
    return bundle.manifest, interpreters


def _run_chain(chain: _Chain, image: NDArray[np.float32]) -> tuple[NDArray[Any], float]:
    manifest, interpreters = chain
    tensors, spent = {manifest.input.tensor: image}, 0.0
    for piece, interpreter in zip(manifest.pieces, interpreters, strict=True):
        inputs = [tensors[port.tensor] for port in piece.inputs]
        made = interpreter.run(inputs)
        spent += interpreter.seconds
        tensors |= {port.tensor: array for port, array in zip(piece.outputs, made, strict=True)}
    return tensors[manifest.output.tensor], spent


def worker_start() -> tuple[float, int]:
    """Seconds until ``edgeseg worker`` listens, and its resident bytes then."""
    command = [sys.executable, "-m", "edgeseg", "worker", "--listen", "tcp://127.0.0.1:*"]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening")
        seconds = time.perf_counter() - start
        resident = psutil.Process(process.pid).memory_info().rss
        process.terminate()
    return seconds, resident


def command_seconds(*words: str) -> float:
    """Wall seconds of a Python process with these words, from its start to its end."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def convert(model: Path, bundle: Path, cache: Path, flags: Sequence[str]) -> float:
    """Seconds that ``edgeseg convert`` takes, with a cache of its own."""
    command = [sys.executable, "-m", "edgeseg", "convert", str(model), "-o", str(bundle), *flags]
    start = time.perf_counter()
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start
