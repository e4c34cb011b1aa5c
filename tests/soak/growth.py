"""Thousands of slices through two workers: ``growth.py BUNDLE [--slices N]``.

Neither they nor the coordinator may grow, in memory or in open files, once they have run in.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import numpy as np
import psutil
from processes import Workers

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.output.terminal import console, figure_table, progress
from edgeseg.text.units import format_bytes
from edgeseg_runtime import Segmenter

MAX_GROWTH = 0.02
_SCAN = 100
_RUN_IN = 0.1
"""Share of the slices after which nothing may grow any more."""


@dataclass(frozen=True)
class Growth:
    """What a process held once it had run in, and at the end."""

    process: str
    bytes_before: int
    bytes_after: int
    files_before: int
    files_after: int

    @property
    def share(self) -> float:
        """Growth of memory."""
        return self.bytes_after / self.bytes_before - 1

    @property
    def kept(self) -> bool:
        """Whether memory has hardly grown, and open files have not."""
        return self.share < MAX_GROWTH and self.files_after <= self.files_before


def soak(bundle: Path, slices: int) -> list[Growth]:
    """Segment a scan of noise over and over; return how every process has grown."""
    size = Bundle(bundle).manifest.preprocessing.size
    scan = np.random.default_rng(3).integers(-200, 400, (_SCAN, *size), dtype=np.int16)
    scans = max(2, slices // _SCAN)
    with Workers() as workers:
        running = [workers.start() for _ in range(2)]
        watched = {f"worker {n}": w.process.pid for n, w in enumerate(running, start=1)}
        processes = {name: psutil.Process(pid) for name, pid in watched.items()}
        processes["coordinator"] = psutil.Process()
        before = {}
        with (
            Segmenter(bundle, [worker.endpoint for worker in running]) as segmenter,
            progress(scans, "segmenting", unit="scans") as advance,
        ):
            for number in range(scans):
                if number == max(1, round(_RUN_IN * scans)):
                    before = {name: _held(process) for name, process in processes.items()}
                segmenter.segment(scan)
                advance()
            after = {name: _held(process) for name, process in processes.items()}
    return [
        Growth(name, before[name][0], after[name][0], before[name][1], after[name][1])
        for name in processes
    ]


def _held(process: psutil.Process) -> tuple[int, int]:
    return process.memory_info().rss, process.num_fds()


def main(words: Sequence[str] | None = None) -> int:
    """Run and print; 1 if anything has grown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--slices", type=int, default=20_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(words)
    growths = soak(options.bundle, options.slices)
    table = figure_table(("process",), ("memory before", "after", "growth", "files", "after"))
    for growth in growths:
        memory = (format_bytes(growth.bytes_before), format_bytes(growth.bytes_after))
        files = (str(growth.files_before), str(growth.files_after))
        table.add_row(growth.process, *memory, f"{growth.share:.1%}", *files)
    console.print(table)
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(growth) for growth in growths], indent=2))
    return int(not all(growth.kept for growth in growths))


if __name__ == "__main__":
    sys.exit(main())
