"""Partial placements are values: to extend some leaves them as they were, and none is writable."""

import numpy as np
import pytest
from planning_problems import small_problem

from edgeseg.planning.exact.partial_placements import PartialPlacements
from edgeseg.planning.problem.arrays import arrays_of


def _extended(nodes: PartialPlacements, boards: int) -> PartialPlacements:
    rows, board = np.divmod(np.arange(len(nodes) * boards), boards)
    return nodes.children(rows, board)


@pytest.mark.parametrize("seed", range(5))
def test_extending_changes_nothing_that_was_there(seed: int) -> None:
    problem = small_problem(seed)
    parents = PartialPlacements.root(arrays_of(problem))
    for depth in range(len(problem.pieces)):
        before = {name: np.copy(getattr(parents, name)) for name in ("compute", "up", "arrival")}
        children = _extended(parents, len(problem.boards))
        assert children.depth == depth + 1
        assert all(np.array_equal(getattr(parents, name), was) for name, was in before.items())
        parents = children.take(np.arange(min(8, len(children))))


def test_arrays_are_read_only() -> None:
    nodes = _extended(PartialPlacements.root(arrays_of(small_problem(0))), 1)
    for name in ("placed", "compute", "latency", "in_flight"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(nodes, name)[0] = 0
