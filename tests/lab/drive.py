"""Runs the contiguous and the folded chain of all boards that ship the fewest bytes.

``python drive.py BUNDLE BOARDS.toml SLICES``, on the coordinator's machine, prints JSON: what was
predicted for each chain beside what was measured.
"""

import itertools
import json
import sys
import time
from pathlib import Path

import numpy as np

from edgeseg.boards.boards_file import read_boards
from edgeseg.boards.placement import Placement
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.imaging.slices import SliceGeometry
from edgeseg.planning.heuristics.baselines import evaluate_placement
from edgeseg.planning.heuristics.local_search import fold_partners
from edgeseg.planning.outcome.load import loads_of
from edgeseg.planning.outcome.objective import INFEASIBLE, costs
from edgeseg.planning.outcome.prediction import COORDINATOR, Prediction
from edgeseg.planning.problem.arrays import Assignments, Floats, arrays_of
from edgeseg.planning.problem.problem import Problem
from edgeseg_runtime.coordination.backlog import PendingSlice
from edgeseg_runtime.coordination.coordinator import Coordinator
from edgeseg_runtime.coordination.problem_from_workers import problem_for


def main() -> None:
    bundle, file = Bundle(Path(sys.argv[1])), read_boards(Path(sys.argv[2]))
    coordinator = Coordinator(bundle, file.board)
    try:
        problem = problem_for(bundle.manifest, coordinator.boards, file.board, file.coordinator)
        figures = {}
        for name, chains in _shapes(problem).items():
            best = chains[_shipped(problem, chains).argmin()]
            row = evaluate_placement(problem, name, [best], "throughput")
            if row is not None:
                placement, slices = Placement(row.lanes, {}), int(sys.argv[3])
                measured = _measured(coordinator, bundle, placement, slices)
                figures[name] = _predicted(problem, row.prediction) | measured
    finally:
        coordinator.close()
    sys.stdout.write(json.dumps(figures))


def _shapes(problem: Problem) -> dict[str, Assignments]:
    """All chains over the boards in their order, plain ones and folded ones, each (N, P)."""
    boards, pieces = len(problem.boards), len(problem.pieces)
    _, led = np.unique(fold_partners(problem), return_inverse=True)
    return {
        "contiguous": _chains(pieces, boards),
        "folded": _chains(int(led.max()) + 1, boards)[:, led],
    }


def _chains(count: int, boards: int) -> Assignments:
    """All chains of so many links, over no more boards than links, (N, count)."""
    cuts = itertools.combinations(range(1, count), min(boards, count) - 1)
    return np.array([np.searchsorted(cut, np.arange(count), side="right") for cut in cuts])


def _shipped(problem: Problem, chains: Assignments) -> Floats:
    """Bytes on the wire a slice, infinite for chains that do not fit, (N,)."""
    moved = loads_of(problem, chains).down @ arrays_of(problem).down
    return np.where(costs(problem, chains, "throughput") < INFEASIBLE, moved, np.inf)


def _predicted(problem: Problem, does: Prediction) -> dict[str, float]:
    names = (*(board.name for board in problem.boards), COORDINATOR)
    rates = [link.down for link in (*problem.links, problem.coordinator)]
    moved = sum(does.down[name] * rate for name, rate in zip(names, rates, strict=True))
    return {"predicted_rate": does.rate, "predicted_bytes": moved}


def _measured(
    coordinator: Coordinator, bundle: Bundle, placement: Placement, slices: int
) -> dict[str, float]:
    coordinator.deploy(placement)
    rows, columns = bundle.manifest.preprocessing.size
    geometry = SliceGeometry(rows, columns, None, None)
    grey = np.random.default_rng(0).integers(0, 256, (slices, rows, columns), np.uint8)
    images = [PendingSlice(index, geometry, image) for index, image in enumerate(grey)]
    list(coordinator.stream(images[:2]))
    before = _received(coordinator)
    start = time.perf_counter()
    list(coordinator.stream(images))
    seconds = time.perf_counter() - start
    moved = (_received(coordinator) - before) / slices
    return {"measured_rate": slices / seconds, "measured_bytes": moved}


def _received(coordinator: Coordinator) -> int:
    boards = sum(pong.received_bytes for pong in coordinator.pongs().values())
    return boards + coordinator.received_bytes


if __name__ == "__main__":
    main()
