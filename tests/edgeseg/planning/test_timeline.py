"""Slices followed through a lane agree with what is predicted for it."""

import pytest
from planning_problems import MIB, assignments, reference, small_problem, unet_problem

from edgeseg.boards import Board
from edgeseg.placement import Lane
from edgeseg.planning.plan import plan
from edgeseg.planning.prediction import predict
from edgeseg.planning.problem import GIGABIT, Problem
from edgeseg.planning.timeline import Bar, timeline


def _lane(problem: Problem, row: tuple[int, ...], window: int) -> Lane:
    boards = (problem.boards[board].name for board in row)
    return Lane({p.name: b for p, b in zip(problem.pieces, boards, strict=True)}, window)


def _chained() -> tuple[Problem, Lane]:
    boards = [Board(f"b{n}", 400 * MIB) for n in range(2)]
    problem = unet_problem(4, boards, [GIGABIT] * 2)
    (lane,) = plan(problem, time_limit=0.5).lanes
    assert len(lane.members) == 2
    return problem, lane


def _end(bars: tuple[Bar, ...]) -> float:
    return max(bar.end for bar in bars)


@pytest.mark.parametrize("seed", range(10))
def test_a_slice_takes_at_least_its_work_and_nothing_does_two_things(seed: int) -> None:
    problem = small_problem(seed, most_pieces=4)
    for row in list(assignments(problem))[:20]:
        bars = timeline(problem, _lane(problem, row, 2), 3)
        ran = [bar for bar in bars if bar.part.startswith("core")]
        assert len(ran) == 3 * len(problem.pieces)
        busy = reference(problem, row).busy
        assert _end(bars) >= busy
        for part in {(bar.machine, bar.part) for bar in bars}:
            mine = sorted((b.start, b.end) for b in bars if (b.machine, b.part) == part)
            starts, ends = [s for s, _ in mine[1:]], [e for _, e in mine[:-1]]
            assert all(start >= end - 1e-9 for start, end in zip(starts, ends, strict=True))


def test_one_slice_takes_what_is_predicted() -> None:
    problem, lane = _chained()
    assert _end(timeline(problem, lane, 1)) == pytest.approx(
        predict(problem, [lane]).latency, rel=0.05
    )


def test_many_slices_come_at_the_rate_that_is_predicted() -> None:
    """Where the window is large enough that nothing waits for it."""
    problem, lane = _chained()
    lane = Lane(lane.boards, 8)
    few, many = (_end(timeline(problem, lane, slices)) for slices in (10, 60))
    assert 50 / (many - few) == pytest.approx(predict(problem, [lane]).rate, rel=0.05)


def test_the_window_bounds_what_is_in_flight() -> None:
    problem, lane = _chained()
    bars = timeline(problem, Lane(lane.boards, 1), 3)
    ends = [max(b.end for b in bars if b.index == index) for index in range(3)]
    begins = [min(b.start for b in bars if b.index == index) for index in range(3)]
    assert begins[1] >= ends[0]
    assert begins[2] >= ends[1]
