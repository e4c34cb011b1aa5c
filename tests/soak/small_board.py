"""A bundle larger than its board: ``python tests/soak/small_board.py``, the paper's U-Net.

Runs it uncut and unlimited, then in pieces on one worker of one core under each limit, and shows
rates, peaks, and whether the masks are the same.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import bundles
import numpy as np
from numpy.typing import NDArray
from processes import Workers
from rich.table import Table

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.files.atomic import atomic_path
from edgeseg.output.terminal import console, figure_table, messages
from edgeseg.text.units import format_bytes, parse_bytes
from edgeseg_runtime import Segmenter
from edgeseg_runtime.results.run_report import RunReport

UNLIMITED = 8 * 2**30


@dataclass(frozen=True)
class Figures:
    """One run: what it was promised, what it took, and whether its masks are the uncut ones."""

    limit_bytes: int
    peak_bytes: int
    slices_per_second: float
    planned_slices_per_second: float
    shifts: int
    batch: int
    identical: bool

    @property
    def kept(self) -> bool:
        """Whether masks and promise were kept."""
        return self.identical and self.peak_bytes <= self.limit_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uncut", type=Path, help="bundle of one piece; the paper's if left out")
    parser.add_argument("--cut", type=Path, help="the same in pieces")
    parser.add_argument("--bundles", type=Path, help="folder to make the paper's bundles in")
    parser.add_argument("--limits", nargs="+", default=["512MiB", "320MiB"])
    parser.add_argument("--slices", type=int, default=32)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        has_bundles = options.uncut and options.cut
        uncut, cut = (
            (options.uncut, options.cut)
            if has_bundles
            else bundles.paper_bundles(options.bundles or Path(folder))
        )
        limits = [parse_bytes(limit) for limit in options.limits]
        figures = list(measure(uncut, cut, limits, options.slices))
    console.print(_table(figures))
    if options.json is not None:
        with atomic_path(options.json) as path:
            path.write_text(json.dumps([asdict(row) for row in figures], indent=1) + "\n")
    sys.exit(0 if all(row.kept for row in figures) else 1)


def measure(uncut: Path, cut: Path, limits: Sequence[int], slices: int) -> Iterator[Figures]:
    """Yield the figures of the uncut model, then those under each limit."""
    size = Bundle(uncut).manifest.preprocessing.size
    noise = np.random.default_rng(0).integers(-100, 400, (slices, *size), np.int16)
    expected: NDArray[Any] | None = None
    for bundle, limit in ((uncut, UNLIMITED), *((cut, limit) for limit in limits)):
        messages.print(f"{bundle.name} within {format_bytes(limit)}")
        masks, report = _run(bundle, limit, noise)
        expected = masks if expected is None else expected
        (lane,) = report.lanes
        yield Figures(
            limit_bytes=limit,
            peak_bytes=report.boards[0].peak_memory_bytes,
            slices_per_second=report.slices_per_second,
            planned_slices_per_second=report.planned_slices_per_second,
            shifts=len(lane.shifts),
            batch=lane.window,
            identical=np.array_equal(masks, expected),
        )


def _run(bundle: Path, limit: int, scan: NDArray[np.int16]) -> tuple[NDArray[Any], RunReport]:
    with Workers() as workers:
        endpoint = workers.start(limit=limit).endpoint
        with Segmenter(bundle, [endpoint]) as segmenter:
            segmenter.segment(scan[:1])
            done = segmenter.segment(scan)
    return done.mask, done.report


def _table(figures: Sequence[Figures]) -> Table:
    names = ("limit", "peak", "peak/limit", "shifts", "batch", "slices/s", "of uncut", "same masks")
    table = figure_table(("run",), names)
    for number, row in enumerate(figures):
        table.add_row(
            "in pieces" if number else "uncut",
            format_bytes(row.limit_bytes),
            format_bytes(row.peak_bytes),
            f"{row.peak_bytes / row.limit_bytes:.3f}",
            str(row.shifts or "-"),
            str(row.batch),
            f"{row.slices_per_second:.2f}",
            f"{row.slices_per_second / figures[0].slices_per_second:.2f}",
            "yes" if row.identical else "NO",
        )
    return table


if __name__ == "__main__":
    main()
