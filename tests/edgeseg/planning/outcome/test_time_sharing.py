"""Groups of pieces that take turns: the best there are, within memory, disk and patience."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning_problems import MIB, make_problem, small_problem, unet_problem

from edgeseg.boards.boards_file import Board
from edgeseg.boards.link import GIGABIT
from edgeseg.planning.outcome.time_sharing import (
    MOST_SLICES,
    SPOOL_BYTES,
    best_groups,
    disk_bytes,
    time_sharing_of,
)
from edgeseg.planning.problem.problem import Flow, Problem


def _cuts(count: int) -> Iterator[tuple[range, ...]]:
    """Yield every way to cut so many pieces into groups."""
    for inner in itertools.product([False, True], repeat=count - 1):
        edges = [0, *(n for n, cut in enumerate(inner, start=1) if cut), count]
        yield tuple(itertools.starmap(range, itertools.pairwise(edges)))


def _need(problem: Problem, board: int, group: range) -> int:
    """Bytes of one group and one slice, followed piece by piece."""
    machine = problem.boards[board]
    images = sum(flow.wire_bytes for flow in problem.flows if flow.producer is None)
    images *= problem.image_planes
    resident = peak = 0
    for piece in problem.loading:
        if piece in group:
            peak = max(peak, resident + problem.pieces[piece].peak_bytes)
            resident += problem.pieces[piece].resident_bytes
    alive, largest = set[int](), 0
    for piece in group:
        alive |= {n for n, f in enumerate(problem.flows) if piece in (f.producer, *f.readers)}
        largest = max(largest, sum(problem.flows[n].held_bytes for n in alive))
        alive = {n for n in alive if any(piece < r < group.stop for r in problem.flows[n].readers)}
    base = machine.base_memory + machine.cores * problem.working_bytes
    return base + max(peak, resident + images + largest)


def _disk(problem: Problem, groups: tuple[range, ...]) -> int:
    """Bytes of a slice that are written once a maker and read once a group."""
    home = {piece: number for number, group in enumerate(groups) for piece in group}
    total = 0
    for flow in problem.flows:
        if flow.producer is not None:
            others = {home[reader] for reader in flow.readers} - {home[flow.producer]}
            total += flow.held_bytes * (len(others) + bool(others))
    return total


@pytest.mark.parametrize("seed", range(60))
def test_no_groups_are_better(seed: int) -> None:
    """Fewest groups first, then the fewest bytes on disk, then the least memory."""
    problem = replace(small_problem(seed), working_bytes=seed % 7, image_planes=1 + seed % 3)
    for number, board in enumerate(problem.boards):
        costs = [
            (len(groups), _disk(problem, groups), max(_need(problem, number, g) for g in groups))
            for groups in _cuts(len(problem.pieces))
            if all(_need(problem, number, g) <= board.memory_limit for g in groups)
        ]
        groups = best_groups(problem, number)
        if not costs:
            assert groups is None
            assert time_sharing_of(problem, number) is None
            continue
        assert groups is not None
        assert sum(disk_bytes(problem, group) for group in groups) == _disk(problem, groups)
        needs = [_need(problem, number, group) for group in groups]
        assert (len(groups), _disk(problem, groups), max(needs)) == min(costs)
        sharing = time_sharing_of(problem, number)
        assert sharing is not None
        assert max(needs) <= sharing.need <= board.memory_limit


@settings(deadline=None, max_examples=40)
@given(st.integers(100, 700), st.integers(1, 4), st.floats(0.01, 100))
def test_a_batch_keeps_to_memory_disk_and_patience(limit: int, cores: int, speed: float) -> None:
    board = Board("b", limit * MIB, 60 * MIB, cores, speed)
    problem = unet_problem(4, [board], [GIGABIT])
    sharing = time_sharing_of(problem, 0)
    if sharing is None:
        return
    assert 1 <= sharing.batch <= MOST_SLICES
    assert sharing.need <= board.memory_limit
    assert sharing.batch == 1 or (sharing.batch + cores) * sharing.waiting <= SPOOL_BYTES
    assert sharing.period > sharing.compute
    alone = time_sharing_of(problem, 0, most_slices=1)
    assert alone is not None
    assert (len(alone.groups) <= len(sharing.groups), alone.batch) == (True, 1)
    assert alone.period == pytest.approx(alone.latency)


def test_a_slow_board_loads_for_a_tenth_of_its_time_at_most() -> None:
    board = Board("b", 250 * MIB, 60 * MIB)
    sharing = time_sharing_of(unet_problem(4, [board], [GIGABIT]), 0)
    assert sharing is not None
    assert 1 < sharing.batch < MOST_SLICES
    assert sharing.loading / sharing.batch <= 0.1 * sharing.period
    fewer = replace(sharing, batch=sharing.batch - 1)
    assert fewer.loading / fewer.batch > 0.1 * fewer.period


def test_a_tensor_that_one_group_makes_and_reads_never_touches_the_disk() -> None:
    flows = [
        Flow("image", 1, 4, None, (0, 2)),
        Flow("a", 10, 10, 0, (1,)),
        Flow("skip", 5, 5, 0, (1, 2)),
        Flow("mask", 1, 1, 2, (), returns=True),
    ]
    problem = make_problem([[1.0]] * 3, flows, [Board("b", 1000)], [GIGABIT])
    assert disk_bytes(problem, range(2)) == 5
    assert disk_bytes(problem, range(1)) == 15
    assert disk_bytes(problem, range(2, 3)) == 5
