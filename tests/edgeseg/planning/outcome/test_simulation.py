"""Slices followed through a lane agree with what is predicted for it."""

from dataclasses import replace

import pytest
from clocks import ticking_clock
from planning_problems import MIB, assignments, reference, small_problem, unet_problem

from edgeseg.boards.boards_file import Board
from edgeseg.boards.link import GIGABIT, Link
from edgeseg.boards.placement import Lane
from edgeseg.planning.outcome.gantt import BusyInterval
from edgeseg.planning.outcome.prediction import predict
from edgeseg.planning.outcome.simulation import simulated, steady_rate, timeline
from edgeseg.planning.planner import plan
from edgeseg.planning.problem.problem import Problem


def _lane(problem: Problem, row: tuple[int, ...], window: int) -> Lane:
    boards = (problem.boards[board].name for board in row)
    return Lane({p.name: b for p, b in zip(problem.pieces, boards, strict=True)}, window)


def _chained() -> tuple[Problem, Lane]:
    boards = [Board(f"b{n}", 400 * MIB) for n in range(2)]
    problem = unet_problem(4, boards, [GIGABIT] * 2)
    (lane,) = plan(problem, time_limit=0.5, clock=ticking_clock()).lanes
    assert len(lane.members) == 2
    return problem, lane


def _end(bars: tuple[BusyInterval, ...]) -> float:
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


@pytest.mark.parametrize("seed", range(12))
def test_a_steady_rate_is_that_of_many_slices_and_never_above_what_is_possible(seed: int) -> None:
    problem = small_problem(seed)
    row = tuple(piece % len(problem.boards) for piece in range(len(problem.pieces)))
    for window in (1, 2, 5):
        lane = _lane(problem, row, window)
        few, many = (_end(timeline(problem, lane, slices)) for slices in (40, 240))
        rate = steady_rate(problem, lane)
        assert rate == pytest.approx(200 / (many - few), rel=0.03)
        possible = reference(problem, row)
        assert rate <= window / possible.latency * (1 + 1e-9)
        assert rate <= 1 / possible.busy * 1.02
        assert simulated(problem, [lane]).rate <= predict(problem, [lane]).rate


def test_lanes_that_share_a_link_are_slowed_down_by_it() -> None:
    boards = [Board(f"b{n}", 4096 * MIB) for n in range(2)]
    problem = unet_problem(3, boards, [GIGABIT] * 2)
    count = len(problem.pieces)
    lanes = [_lane(problem, (board,) * count, 2) for board in (0, 1)]
    assert simulated(problem, lanes).rate == pytest.approx(2 * simulated(problem, lanes[:1]).rate)
    slow = replace(problem, coordinator=Link(1e4, 1e4))
    assert simulated(slow, lanes).rate == pytest.approx(1e4 / problem.flows[-1].wire_bytes)


def test_bytes_take_their_toll_of_busy_cores() -> None:
    """What a board moves while it waits costs nothing; otherwise bytes cost what they take."""
    problem, lane = _chained()
    lane, toll = Lane(lane.boards, 8), 1e-8
    slow = replace(problem, links=tuple(replace(link, toll=toll) for link in problem.links))
    row = [[board.name for board in problem.boards].index(b) for b in lane.boards.values()]
    moved = [0, 0]
    for flow in problem.flows:
        source = None if flow.producer is None else row[flow.producer]
        others = {row[reader] for reader in flow.readers} - {source}
        for board in others:
            moved[board] += flow.wire_bytes
        if source is not None:
            moved[source] += flow.wire_bytes * (len(others) + flow.returns)
    work = predict(problem, [lane]).compute
    times = [work[b.name] + toll * m for b, m in zip(problem.boards, moved, strict=True)]
    assert 1 / steady_rate(slow, lane) <= 1.02 * max(times)
    assert steady_rate(slow, lane) < 0.9 * steady_rate(problem, lane)


def test_the_window_bounds_what_is_in_flight() -> None:
    problem, lane = _chained()
    bars = timeline(problem, Lane(lane.boards, 1), 3)
    ends = [max(b.end for b in bars if b.index == index) for index in range(3)]
    begins = [min(b.start for b in bars if b.index == index) for index in range(3)]
    assert begins[1] >= ends[0]
    assert begins[2] >= ends[1]
