"""What every strategy is predicted to bring, on networks, boards and links of many kinds.

``python tests/benchmarks/strategies.py`` prints a table for each network and set of boards, and
writes all figures as JSON. Nothing is compiled: seconds are estimated from FLOPs, memory from
weights and activations.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "support"))

import zoo
from rich.table import Table

from edgeseg.boards.boards_file import BoardEntry, BoardsFile, LinkEntry
from edgeseg.errors import EdgesegError
from edgeseg.files.atomic import atomic_path
from edgeseg.output.terminal import console, figure_table, progress
from edgeseg.planning.planner import plan
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras, quiet
from edgeseg_converters.network import Network
from edgeseg_converters.partition import Partition, PartitionRequest, strategies
from edgeseg_converters.partition.estimate import estimate

WHOLE = "whole slices"
SHAPES = ("contiguous", "folded")
SHAPED = "optimal"
"""The strategy of which the shapes of placement are told apart."""


@dataclass(frozen=True)
class Kind:
    """A kind of board."""

    name: str
    memory: Mapping[int, str]
    cores: int
    speed: float


PI = Kind("pi4", {256: "384MiB", 512: "768MiB"}, 4, 1.0)
JETSON = Kind("jetson", {256: "2GiB", 512: "4GiB"}, 6, 2.5)
"""Memory by size of the images: that of a Pi is too little for whole slices at base 64."""


@dataclass(frozen=True)
class Case:
    """A network, the boards for it, and the rate of their links."""

    base: int
    size: int
    kinds: tuple[Kind, ...]
    rate: str

    @property
    def boards(self) -> str:
        """The boards in words, such as ``2 pi4 + 2 jetson``."""
        names = [kind.name for kind in self.kinds]
        return " + ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))

    @property
    def file(self) -> BoardsFile:
        """The boards as a file has them."""
        entries = tuple(
            BoardEntry(
                name=f"{kind.name}-{number}",
                memory=kind.memory[self.size],
                cores=kind.cores,
                speed=kind.speed,
                up=self.rate,
                down=self.rate,
            )
            for number, kind in enumerate(self.kinds, start=1)
        )
        return BoardsFile(board=entries, coordinator=LinkEntry(up="1Gbit", down="1Gbit"))


@dataclass(frozen=True)
class Row:
    """A strategy: the seconds between two slices, and how sure that is; or why there is none."""

    strategy: str
    pieces: int | None = None
    placement: str | None = None
    bottleneck_seconds: float | None = None
    gap: float | None = None
    planning_seconds: float | None = None
    reason: str | None = None


def main() -> None:
    options = _options()
    cases = list(_cases(options))
    found = []
    with progress(len(cases), "planning") as advance:
        for base, size in product(options.base, options.size):
            network = _network(base, size)
            for case in (case for case in cases if (case.base, case.size) == (base, size)):
                rows = list(_rows(network, case, options.time_limit))
                console.print(_table(case, rows), *_reasons(rows), "", sep="\n")
                described = {"base": base, "size": size, "boards": case.boards, "rate": case.rate}
                found.append(described | {"rows": [asdict(row) for row in rows]})
                advance()
    with atomic_path(options.json) as path:
        path.write_text(json.dumps(found, indent=1) + "\n")
    console.print(f"wrote {options.json}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=int, nargs="+", default=[64, 16])
    parser.add_argument("--size", type=int, nargs="+", choices=[*PI.memory], default=[*PI.memory])
    parser.add_argument("--boards", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--rate", nargs="+", default=["100Mbit", "1Gbit"])
    parser.add_argument("--time-limit", type=float, default=4.0)
    parser.add_argument("--json", type=Path, default=Path("strategies.json"))
    return parser.parse_args()


def _cases(options: argparse.Namespace) -> Iterator[Case]:
    """Boards of one kind, and from two on half of each kind."""
    for base, size, count, rate in product(
        options.base, options.size, options.boards, options.rate
    ):
        yield Case(base, size, (PI,) * count, rate)
        if count > 1:
            yield Case(base, size, (PI,) * (count // 2) + (JETSON,) * (count // 2), rate)


def _network(base: int, size: int) -> Network:
    keras = import_keras()
    with quiet():
        return read_network(zoo.paper_unet(keras, size=size, base=base))


def _rows(network: Network, case: Case, time_limit: float) -> Iterator[Row]:
    request = PartitionRequest(boards=case.file, fewer_products=False)
    for name, strategy in strategies().items():
        try:
            pieces = strategy.cut(network, request).pieces
        except EdgesegError as error:
            yield Row(name, reason=str(error))
            continue
        yield from _planned(name, pieces, request, time_limit)
    yield from _planned(WHOLE, (network.graph,), request, time_limit)


def _planned(
    name: str, pieces: Partition, request: PartitionRequest, time_limit: float
) -> Iterator[Row]:
    start = time.perf_counter()
    try:
        found = plan(estimate(pieces, request), time_limit=time_limit)
    except EdgesegError as error:
        yield Row(name, len(pieces), reason=str(error))
        return
    seconds = time.perf_counter() - start
    yield Row(name, len(pieces), found.method, found.cost, found.gap, seconds)
    for row in found.strategies:
        if name == SHAPED and row.name in SHAPES:
            cost = row.cost("throughput")
            gap = max(0.0, 1 - found.bound / cost)
            yield Row(f"{name} {row.name}", len(pieces), row.name, cost, gap)


def _reasons(rows: Sequence[Row]) -> Iterator[str]:
    """Yield why strategies are out of the question."""
    return (f"{row.strategy}: {row.reason}" for row in rows if row.reason is not None)


def _table(case: Case, rows: Sequence[Row]) -> Table:
    title = f"base {case.base}, {case.size} x {case.size}, {case.boards}, {case.rate}"
    headings = ("pieces", "s a slice", "gap", "planned in")
    table = figure_table(("strategy", "placement"), headings, title)
    best = min((row.bottleneck_seconds or float("inf") for row in rows), default=0.0)
    for row in rows:
        if row.bottleneck_seconds is None or row.gap is None:
            table.add_row(row.strategy, "", "-", "-", "-", "-")
            continue
        mark = " *" if row.bottleneck_seconds <= best * (1 + 1e-6) else "  "
        took = "" if row.planning_seconds is None else f"{row.planning_seconds:.1f} s"
        figures = (f"{row.pieces}", f"{row.bottleneck_seconds:.3g}{mark}", f"{row.gap:.1%}", took)
        table.add_row(row.strategy, row.placement or "", *figures)
    return table


if __name__ == "__main__":
    main()
