"""Workers in control groups of hardly more than they promise: ``python tests/soak/memory.py``.

For one, two and three workers, and for one in shifts, the promise is about the least that the
bundle fits into; the kernel kills whoever takes 5 % more. Needs root, and leaves no group behind.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import bundles
import numpy as np
import quota
from limits import limit_for_runs, limit_in_shifts
from processes import Workers
from rich.table import Table
from talking import Sockets, greet
from workers import stop

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import EdgesegError
from edgeseg.files.atomic import atomic_path
from edgeseg.output.terminal import console, figure_table, progress
from edgeseg.text.units import format_bytes
from edgeseg_runtime import Segmenter

SLACK = 1.05
"""Limit of the control group, over the promise."""

IN_SHIFTS = 0
"""Stands for one worker whose pieces take turns."""

_BOXED = 'for group in $GROUPS_OF_IT; do echo $$ > "$group"; done; exec "$@"'


@dataclass(frozen=True)
class Figures:
    """Runs on so many workers: the promise of each, the largest peak, and who was killed."""

    workers: int
    limit_bytes: int
    runs: int
    peak_bytes: int
    median_peak_bytes: int
    failed: int

    @property
    def kept(self) -> bool:
        """Whether the promise was kept in all runs."""
        return not self.failed and self.peak_bytes <= self.limit_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="the paper's U-Net in pieces if left out")
    parser.add_argument("--bundles", type=Path, help="folder to make the paper's bundles in")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3, IN_SHIFTS])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--slices", type=int, default=8)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    reason = quota.missing()
    if reason is not None:
        sys.exit(f"memory can't be limited here: {reason}")
    with tempfile.TemporaryDirectory() as folder:
        bundle = options.bundle or bundles.paper_bundles(options.bundles or Path(folder))[1]
        figures = [measure(bundle, n, options.runs, options.slices) for n in options.workers]
    console.print(_table(figures))
    if options.json is not None:
        with atomic_path(options.json) as path:
            path.write_text(json.dumps([asdict(row) for row in figures], indent=1) + "\n")
    sys.exit(0 if all(row.kept for row in figures) else 1)


def measure(bundle: Path, workers: int, runs: int, slices: int) -> Figures:
    """Run again and again on fresh workers, and look at what each has taken at most."""
    manifest = Bundle(bundle).manifest
    base = _base_memory()
    count = workers or 1
    limit = limit_for_runs(manifest, base, count) if workers else limit_in_shifts(manifest, base)
    scan = np.random.default_rng(0).integers(
        -100, 400, (slices, *manifest.preprocessing.size), np.int16
    )
    peaks, failed = [], 0
    with progress(runs, f"{workers or 'in shifts'}: {format_bytes(limit)}") as advance:
        for _ in range(runs):
            try:
                with _boxed(count, limit) as endpoints, Segmenter(bundle, endpoints) as segmenter:
                    report = segmenter.segment(scan).report
                    if bool(report.lanes[0].shifts) != (workers == IN_SHIFTS):
                        raise AssertionError(report.lanes)
                peaks.append(max(board.peak_memory_bytes for board in report.boards))
                failed += bool(report.losses)
            except EdgesegError as error:
                console.print(str(error))
                failed += 1
            advance()
    return Figures(
        workers, limit, runs, max(peaks, default=0), int(np.median(peaks or [0])), failed
    )


def _base_memory() -> int:
    with Workers() as workers, Sockets() as sockets:
        return greet(sockets.link(workers.start().endpoint)).base_memory_bytes


@contextmanager
def _boxed(count: int, limit: int) -> Iterator[list[str]]:
    """Run workers, each in a group of its own from its first page on."""
    with ExitStack() as stack:
        endpoints = []
        for number in range(count):
            name = f"edgeseg-soak-{os.getpid()}-{number}"
            cores = float(os.cpu_count() or 1)
            groups = stack.enter_context(quota.quota(name, cores, int(limit * SLACK)))
            words = ["--listen", "tcp://127.0.0.1:*", "--memory-limit", str(limit)]
            process = subprocess.Popen(
                ["/bin/sh", "-c", _BOXED, "sh", sys.executable, "-m", "edgeseg", "worker", *words],
                stdout=subprocess.PIPE,
                env=os.environ | {"GROUPS_OF_IT": " ".join(map(str, groups))},
                text=True,
            )
            stack.callback(stop, process)
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith("listening on "):
                raise RuntimeError("a worker did not start")
            endpoints.append(line.removeprefix("listening on ").strip())
        yield endpoints


def _table(figures: Sequence[Figures]) -> Table:
    names = ("promise", "runs", "median peak", "largest peak", "peak/promise", "failed")
    table = figure_table(("workers",), names)
    for row in figures:
        table.add_row(
            str(row.workers) if row.workers else "1 in shifts",
            format_bytes(row.limit_bytes),
            str(row.runs),
            format_bytes(row.median_peak_bytes),
            format_bytes(row.peak_bytes),
            f"{row.peak_bytes / row.limit_bytes:.3f}",
            str(row.failed),
        )
    return table


if __name__ == "__main__":
    main()
