"""Four boards on one machine: what is planned for them beside what is measured.

``python tests/lab/run.py BUNDLE`` joins four boards and a coordinator by a switch, gives every
board a share of a core and of the memory, profiles, plans, segments, and removes all of it in
the end. Needs root.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import network
import psutil
import quota
from bench import COORDINATOR, Lab
from rich.table import Table
from workers import workers

from edgeseg.boards.boards_file import WORKER_BASE
from edgeseg.boards.memory_use import peak_board_bytes, slice_bytes
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.files.atomic import atomic_path
from edgeseg.output.terminal import console, figure_table, messages
from edgeseg.text.units import MIB, format_bytes, parse_bytes

RESERVED_CORES = 0.5
"""What the coordinator keeps of this machine."""

MEMORY_SHARE = 0.5
"""What a board may take of the uncut need, unless told otherwise: none can run whole slices."""


def main() -> None:
    options = _options()
    reason = network.missing()
    if reason is not None:
        messages.print(f"the lab can't be set up: {reason}")
        sys.exit(2)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _lab(options) as lab:
            figures = _measure(lab, options)
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
    console.print(_rates(figures), "", _bytes(figures["placements"]), sep="\n")
    if options.json is not None:
        with atomic_path(options.json) as path:
            path.write_text(json.dumps(figures, indent=1) + "\n")
        console.print(f"wrote {options.json}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, help="a .edgeseg file of several pieces")
    parser.add_argument("--boards", type=int, default=4)
    parser.add_argument("--rate", default="100Mbit", help="of every wire, each way")
    parser.add_argument("--memory", type=parse_bytes, help="what a board may take")
    parser.add_argument("--slices", type=int, default=32)
    parser.add_argument("--scan", type=Path, help="what to segment, instead of noise")
    parser.add_argument(
        "--wire", nargs="*", default=[], help="codecs to segment with too, such as none lossless"
    )
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args()


@contextmanager
def _lab(options: argparse.Namespace) -> Iterator[Lab]:
    """Set everything up, and remove it in the end."""
    manifest = Bundle(options.bundle).manifest
    memory = options.memory or _memory(manifest)
    without = quota.missing()
    cores = None
    if without is None:
        cores = min(1.0, ((psutil.cpu_count() or 1) - RESERVED_CORES) / options.boards)
    else:
        messages.print(f"boards share the cores of this machine as they come: {without}")
    names = [f"board-{number}" for number in range(1, options.boards + 1)]
    with (
        network.machines([COORDINATOR, *names], options.rate.lower()) as machines,
        workers([machines[name] for name in names], cores, memory),
        tempfile.TemporaryDirectory() as folder,
    ):
        boards = tuple(machines[name] for name in names)
        home = machines[COORDINATOR]
        yield Lab(options.bundle, home, boards, options.rate, cores, memory, Path(folder))


def _memory(manifest: Any) -> int:
    everything = frozenset(piece.name for piece in manifest.pieces)
    need = peak_board_bytes(manifest.pieces, slice_bytes(manifest, everything))
    return int(WORKER_BASE + MEMORY_SHARE * need)


def _measure(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Profile, plan, segment, and run the chains of fewest bytes, plain and folded."""
    messages.print("profiling")
    boards = lab.profile()
    messages.print("planning, segmenting")
    slices, scan = options.slices, options.scan
    wires = {wire: lab.segment(boards, slices, scan, wire) for wire in options.wire}
    return {
        "bundle": lab.bundle.name,
        "rate": lab.rate,
        "cores": lab.cores,
        "memory_bytes": lab.memory,
        "slices": slices,
        "plan": lab.plan(boards),
        "run": lab.segment(boards, slices, scan),
        "wires": wires,
        "placements": lab.drive(boards, slices),
    }


def _rates(figures: Mapping[str, Any]) -> Table:
    cores = "no quota" if figures["cores"] is None else f"{figures['cores']:.2f} cores"
    title = (
        f"{len(figures['plan']['boards'])} boards of {cores} and "
        f"{format_bytes(figures['memory_bytes'])}, {figures['rate']}"
    )
    console.print(title)
    table = figure_table(("placement",), ("predicted/s", "measured/s", "ratio"))
    plan, run = figures["plan"], figures["run"]
    pairs = {
        f"edgeseg plan ({plan['method']})": (plan["slices_per_second"], run["slices_per_second"]),
        "edgeseg segment": (run["planned_slices_per_second"], run["slices_per_second"]),
    }
    for wire, row in figures["wires"].items():
        same = "same mask" if row["mask"] == run["mask"] else "other mask"
        name = f"edgeseg segment --wire {wire}, {format_bytes(row['wire_bytes'])}, {same}"
        pairs[name] = (row["planned_slices_per_second"], row["slices_per_second"])
    for name, row in figures["placements"].items():
        pairs[name] = (row["predicted_rate"], row["measured_rate"])
    for name, (predicted, measured) in pairs.items():
        ratio = f"{measured / predicted:.2f}"
        table.add_row(name, f"{predicted:.3g}", f"{measured:.3g}", ratio)
    return table


def _bytes(placements: Mapping[str, Mapping[str, float]]) -> Table:
    table = figure_table(("placement",), ("predicted MiB a slice", "measured"))
    for name, row in placements.items():
        predicted, measured = row["predicted_bytes"] / MIB, row["measured_bytes"] / MIB
        table.add_row(name, f"{predicted:.2f}", f"{measured:.2f}")
    return table


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
