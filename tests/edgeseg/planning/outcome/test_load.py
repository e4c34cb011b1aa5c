"""What assignments cost: the arrays agree with plain loops, and with what workers count."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import memory_need
from manifests import manifests
from planning_problems import assignments, reference, small_problem

from edgeseg.boards.boards_file import Board
from edgeseg.bundle.manifest import Manifest
from edgeseg.planning.outcome.latency import latencies
from edgeseg.planning.outcome.load import loads_of
from edgeseg.planning.problem.arrays import arrays_of
from edgeseg.planning.problem.from_pieces import problem_of


@pytest.mark.parametrize("seed", range(30))
def test_every_figure_is_that_of_plain_loops(seed: int) -> None:
    problem = small_problem(seed, most_pieces=4)
    rows = np.array(list(assignments(problem)))
    loads, latency = loads_of(problem, rows), latencies(problem, rows)
    windows = loads.in_flight(arrays_of(problem).limit)
    for number, row in enumerate(rows.tolist()):
        expected = reference(problem, row)
        assert loads.bottleneck[number] == pytest.approx(expected.busy)
        assert latency[number] == pytest.approx(expected.latency)
        assert windows[number] == expected.windows
        assert loads.memory(1)[number].max() == expected.largest_need


@given(manifests(), st.data())
def test_memory_is_what_the_worker_counts(manifest: Manifest, data: st.DataObject) -> None:
    boards = [Board(name, 2**30, base_memory=7 * 2**10) for name in "abc"]
    number = st.integers(0, 2)
    count = len(manifest.pieces)
    row = data.draw(st.lists(number, min_size=count, max_size=count))
    window = data.draw(st.integers(1, 5))
    needs = loads_of(problem_of(manifest.pieces, boards), np.array([row])).memory(window)[0]
    for place, board in enumerate(boards):
        pieces = zip(manifest.pieces, row, strict=True)
        names = frozenset(piece.name for piece, chosen in pieces if chosen == place)
        assert needs[place] == (memory_need(manifest, board, names, window) if names else 0)
