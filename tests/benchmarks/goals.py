"""Benchmarks of compile and run against the uncut model, in one run: ``make bench``.

Prints a table of figures beside their goals and writes them, with their conditions, as JSON.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from forecast import forecast, profiled_run, unprofiled
from measures import (
    command_seconds,
    convert,
    on_workers,
    one_slice,
    piece_seconds,
    uncut,
    worker_start,
)
from rich.table import Table
from wires import encryption, hop

from edgeseg import __version__
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.files.atomic import atomic_path
from edgeseg.inference.engine import engine_name
from edgeseg.output.terminal import console, figure_table, messages
from edgeseg.text.units import MIB

ROUNDS = 3
SLICES = 32
LIMIT = 290 * MIB
"""What each of two workers may take: less than the 378 MiB that the uncut process does."""

VOLUME = 96
"""Slices through two workers: a CT, of which the first finds the second worker idle."""

_SECRET_LIMIT = 420 * MIB
"""What each of two workers with keys may take: less than the whole network."""

_LIKE_HERE = """
[[board]]
name = "{name}"
memory = "{memory}"
speed = 12  # times a core of a Pi 4
up = "16Gbit"
down = "16Gbit"
"""
"""Two boards as fast, and as near to each other, as two processes of a PC."""

_MODELS = Path(__file__).with_name("models.py")


@dataclass(frozen=True)
class Figure:
    """One thing measured, and the goal it is held against, if there is one."""

    name: str
    value: float
    goal: float | None = None
    at_least: bool = False

    @property
    def reached(self) -> bool:
        """Whether the goal is met."""
        if self.goal is None:
            return True
        return self.value >= self.goal if self.at_least else self.value <= self.goal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    target = parser.parse_args().json
    with tempfile.TemporaryDirectory() as folder:
        figures = list(_figures(Path(folder)))
    console.print(_table(figures))
    with atomic_path(target) as path:
        path.write_text(json.dumps(_record(figures), indent=1) + "\n")
    console.print(f"wrote {target}")
    sys.exit(0 if all(figure.reached for figure in figures) else 1)


def _figures(folder: Path) -> Iterator[Figure]:
    subprocess.run([sys.executable, str(_MODELS), str(folder)], check=True)
    yield from _conversion(folder)
    yield from _pieces(folder)
    yield from _two_workers(folder)
    yield from _overhead(folder)
    yield from _one_slice(folder)
    yield from _forecasts(folder)
    yield from _command_line()
    yield from _worker()
    yield from _wires(folder)


def _conversion(folder: Path) -> Iterator[Figure]:
    messages.print("converting, uncut and into eight pieces")
    model = folder / "base64.keras"
    uncut_flags = ["--max-partitions", "1"]
    whole = convert(model, folder / "uncut.edgeseg", folder / "a", uncut_flags)
    convert(model, folder / "fewer.edgeseg", folder / "a", [*uncut_flags, "--tolerance", "1e-5"])
    eight = convert(model, folder / "eight.edgeseg", folder / "b", ["--max-partitions", "10"])
    yield Figure("convert into 8 pieces / uncut, time", eight / whole, 1.5)
    flags = ["--metric", "parameters", "--max-partitions", "8"]
    convert(model, folder / "base64.edgeseg", folder / "a", flags)
    convert(folder / "base16.keras", folder / "base16.edgeseg", folder / "a", flags)


def _pieces(folder: Path) -> Iterator[Figure]:
    messages.print("running pieces in order against the uncut model")
    eight, whole = Bundle(folder / "eight.edgeseg"), Bundle(folder / "uncut.edgeseg")
    pieces, uncut_seconds, equal = piece_seconds(eight, whole, rounds=9)
    yield Figure("8 pieces / uncut, bit-identical outputs", float(equal), 1.0, at_least=True)
    yield Figure("8 pieces / uncut, sum of times", pieces / uncut_seconds, 1.05)
    fewer = Bundle(folder / "fewer.edgeseg")
    plain, quick, quicker = (
        uncut(path, processes=1, threads=1, slices=SLICES // 2).slices_per_second
        for path in (folder / "uncut.tflite", _only_piece(whole), _only_piece(fewer))
    )
    name = "uncut bundle / TFLite's own conversion, slices/s"
    yield Figure(name, quick / plain, 1.0, at_least=True)
    yield Figure(f"{name}, --tolerance 1e-5", quicker / plain, 1.0, at_least=True)


def _only_piece(bundle: Bundle) -> Path:
    path = bundle.path.with_suffix(".only.tflite")
    path.write_bytes(bundle.piece(bundle.manifest.pieces[0]))
    return path


def _two_workers(folder: Path) -> Iterator[Figure]:
    model, bundle = folder / "uncut.tflite", folder / "optimal.edgeseg"
    # A worker that is not known is taken for larger than those here are.
    flags = ["--strategy", "optimal", "--boards", str(_boards_file(folder, "325MiB"))]
    convert(folder / "base64.keras", bundle, folder / "a", [*flags, "--max-activations", "12MiB"])
    rates: list[tuple[float, float, float]] = []
    shares: list[list[float]] = []
    planned: list[float] = []
    for number in range(ROUNDS):
        messages.print(f"two workers against three baselines, round {number + 1} of {ROUNDS}")
        one = uncut(model, processes=1, threads=1, slices=SLICES)
        two_threads = uncut(model, processes=1, threads=2, slices=SLICES)
        two_processes = uncut(model, processes=2, threads=1, slices=SLICES)
        ours = profiled_run(bundle, limit=LIMIT, slices=VOLUME)
        rate = ours.slices_per_second
        planned.append(ours.planned_slices_per_second / rate)
        baselines = (one, two_threads, two_processes)
        rates.append(tuple(rate / baseline.slices_per_second for baseline in baselines))
        peaks = sorted(board.peak_memory_bytes for board in ours.boards)
        shares.append([peak / one.peak_memory_bytes for peak in peaks])
    one, threads, processes = (statistics.median(column) for column in zip(*rates, strict=True))
    yield Figure("two workers / uncut on one thread, slices/s", one, 1.7, at_least=True)
    yield Figure("two workers / uncut on LiteRT's two threads", threads, 1.0, at_least=True)
    yield Figure("two workers / two uncut processes", processes, 0.92, at_least=True)
    for number, share in enumerate(zip(*shares, strict=True), start=1):
        yield Figure(f"peak memory of worker {number} / uncut process", max(share), 0.6)
    yield from _against_plan("two workers", statistics.median(planned))


def _one_slice(folder: Path) -> Iterator[Figure]:
    model, bundle = folder / "uncut.tflite", folder / "data.edgeseg"
    flags = ["--strategy", "data", "--boards", str(_boards_file(folder, "2GiB"))]
    convert(folder / "base64.keras", bundle, folder / "a", flags)
    messages.print("one slice on two workers, in turn with the uncut model")
    one, two = one_slice(bundle, model, workers=2, threads=(1, 2), slices=SLICES)
    yield Figure("one slice, data, two workers / one thread", one, 1.7, at_least=True)
    yield Figure("one slice, data, two workers / LiteRT's two threads", two, 1.0, at_least=True)


def _boards_file(folder: Path, memory: str) -> Path:
    path = folder / f"boards-{memory}.toml"
    path.write_text("".join(_LIKE_HERE.format(name=name, memory=memory) for name in "ab"))
    return path


def _overhead(folder: Path) -> Iterator[Figure]:
    messages.print("work that is not inference")
    for base, goal in ((16, 0.15), (64, 0.05)):
        slices = SLICES * 32 // base
        run = on_workers(
            folder / f"base{base}.edgeseg", workers=1, memory_limit=None, slices=slices
        )
        yield Figure(f"work beside inference, base {base}", run.overhead, goal)


def _forecasts(folder: Path) -> Iterator[Figure]:
    for base in (16, 32):
        messages.print(f"planned beside measured, base {base}")
        bundle = folder / f"forecast{base}.edgeseg"
        flags = ["--metric", "parameters", "--max-partitions", "6"]
        convert(folder / f"base{base}.keras", bundle, folder / "a", flags)
        found = [forecast(bundle, slices=SLICES * 64 // base) for _ in range(ROUNDS)]
        middle = sorted(found, key=lambda one: one.ratio)[len(found) // 2]
        name = f"base {base} over {middle.boards} workers"
        yield Figure(f"{name}, planned slices/s", middle.planned)
        yield Figure(f"{name}, measured slices/s", middle.measured)
        yield from _against_plan(name, middle.ratio)
    for base in (16, 32, 64):
        bundle = folder / ("uncut.edgeseg" if base == 64 else f"forecast{base}.edgeseg")
        ratio = unprofiled(bundle, slices=SLICES * 64 // base).ratio
        yield from _against_plan(f"base {base}, workers' own measure", ratio, goal=1.5)


def _against_plan(name: str, ratio: float, goal: float = 1.1) -> Iterator[Figure]:
    yield Figure(f"{name}, planned / measured", ratio, goal)
    yield Figure(f"{name}, measured / planned", 1 / ratio, goal)


def _command_line() -> Iterator[Figure]:
    runs: dict[str, list[float]] = {}
    for _ in range(10):
        for name, words in (("", ()), (" segment", ("segment",))):
            seconds = command_seconds("-m", "edgeseg", *words, "--help")
            runs.setdefault(f"edgeseg{name} --help", []).append(seconds)
        runs.setdefault("importing typer", []).append(command_seconds("-c", "import typer"))
    middle = {name: statistics.median(seconds) for name, seconds in runs.items()}
    for name in ("edgeseg --help", "edgeseg segment --help"):
        yield Figure(f"{name}, s", middle[name], 0.4)
        yield Figure(f"{name} / importing typer", middle[name] / middle["importing typer"])


def _worker() -> Iterator[Figure]:
    starts = [worker_start() for _ in range(5)]
    yield Figure("worker ready, s", statistics.median(seconds for seconds, _ in starts), 1.5)
    yield Figure("worker before any piece, MB", max(size for _, size in starts) / 1e6, 90)


def _wires(folder: Path) -> Iterator[Figure]:
    messages.print("sending tensors beside a bare socket, and slices with keys and without")
    yield Figure("hop of 8 MiB / bare socket", hop(100), 1.6)
    share = encryption(folder / "base64.edgeseg", _SECRET_LIMIT, SLICES, ROUNDS, folder)
    yield Figure("slices/s with keys / without", share, 0.9, at_least=True)


def _table(figures: list[Figure]) -> Table:
    table = figure_table(("figure",), ("measured", "goal", ""))
    for figure in figures:
        goal = "" if figure.goal is None else f"{'<>'[figure.at_least]}= {figure.goal:g}"
        table.add_row(figure.name, f"{figure.value:.3g}", goal, "" if figure.reached else "missed")
    return table


def _record(figures: list[Figure]) -> dict[str, object]:
    return {
        "edgeseg": __version__,
        "engine": engine_name(),
        "machine": platform.machine(),
        "cores": psutil.cpu_count(),
        "memory_mib": psutil.virtual_memory().total // MIB,
        "slices": SLICES,
        "rounds": ROUNDS,
        "figures": [asdict(figure) | {"reached": figure.reached} for figure in figures],
    }


if __name__ == "__main__":
    main()
