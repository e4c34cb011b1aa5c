"""Where nothing fits boards share their memory in time; else the piece that fits none is named."""

import itertools

import pytest
from planning_problems import MIB, unet_problem

from edgeseg.boards.boards_file import Board
from edgeseg.boards.link import GIGABIT, Link
from edgeseg.errors import PlacementError
from edgeseg.planning.outcome.gantt import LOADING
from edgeseg.planning.outcome.objective import Objective
from edgeseg.planning.outcome.simulation import timeline
from edgeseg.planning.outcome.time_sharing import time_sharing_of
from edgeseg.planning.planner import plan
from edgeseg.planning.problem.problem import Problem
from edgeseg.planning.time_shared_plan import METHOD, plan_or_time_share
from edgeseg.planning.view.report import report_of
from edgeseg.planning.view.tables import plan_renderables


def _problem(*limits: int, cores: int = 1) -> Problem:
    boards = [Board(f"b{n}", limit * MIB, cores=cores) for n, limit in enumerate(limits)]
    return unet_problem(4, boards, [GIGABIT] * len(boards))


def test_what_fits_is_planned_as_ever() -> None:
    problem = _problem(500, 500)
    assert plan_or_time_share(problem).lanes == plan(problem).lanes
    assert not any(lane.shifts for lane in plan_or_time_share(problem).lanes)


def test_every_board_that_holds_its_largest_piece_runs_whole_slices() -> None:
    problem = _problem(100, 60, 110)
    with pytest.raises(PlacementError):
        plan(problem)
    planned = plan_or_time_share(problem)
    assert planned.method == METHOD
    assert [lane.members for lane in planned.lanes] == [("b0",), ("b2",)]
    assert "MiB on b1, which has 60.0 MiB" in planned.left_out["b1"]
    names = [piece.name for piece in problem.pieces]
    for lane in planned.lanes:
        assert [name for group in lane.shifts for name in group] == names
    prediction = planned.prediction
    expected = [time_sharing_of(problem, board) for board in (0, 2)]
    assert prediction.rate == pytest.approx(
        sum(1 / sharing.period for sharing in expected if sharing)
    )
    assert prediction.memory == {"b0": expected[0].need, "b2": expected[1].need}  # type: ignore[union-attr]
    assert planned.bound <= planned.cost == pytest.approx(1 / prediction.rate)


@pytest.mark.parametrize("objective", ["latency", "memory"])
def test_for_other_objectives_the_best_board_runs_one_slice_at_a_time(objective: Objective) -> None:
    boards = [Board("slow", 100 * MIB), Board("quick", 110 * MIB, speed=3.0)]
    problem = unet_problem(4, boards, [GIGABIT] * 2)
    planned = plan_or_time_share(problem, objective)
    (lane,) = planned.lanes
    assert lane.window == 1
    assert planned.bound <= planned.cost
    if objective == "latency":
        assert lane.members == ("quick",)
        assert planned.left_out["slow"] == "another board in shifts does better"


def test_a_thin_wire_to_the_coordinator_slows_all_boards_alike() -> None:
    boards = [Board(f"b{n}", 200 * MIB, speed=1000.0) for n in range(2)]
    thin = Link(1e4, 1e4)
    links = [GIGABIT, thin]
    prediction = plan_or_time_share(unet_problem(4, boards, links)).prediction
    assert prediction.lane_rates[1] < prediction.lane_rates[0]
    assert prediction.lane_rates[1] <= 1e4 / (256 * 256)


def test_where_time_sharing_does_not_help_the_piece_is_named() -> None:
    """On one board a piece fits on none; on two each fits somewhere, and no board holds all."""
    with pytest.raises(PlacementError, match=r"piece_\d+ needs [\d.]+ MiB on b0, which has 64.0"):
        plan_or_time_share(_problem(64))


def test_the_report_says_how_much_slower_it_is() -> None:
    problem = _problem(100, 130, cores=2)
    report = report_of("net", problem, plan_or_time_share(problem))
    for lane in report.lanes:
        board = next(iter(lane.pieces.values()))
        whole = sum(piece.seconds[int(board[1])] for piece in problem.pieces) / 2
        assert lane.slower == pytest.approx(1 / lane.slices_per_second / whole)
        assert lane.slower > 1
    lines = [line for line in plan_renderables(report) if isinstance(line, str)]
    (first,) = [line for line in lines if line.startswith("b0 runs in shifts: ")]
    assert f"{len(report.lanes[0].shifts)} groups" in first
    assert f"batches of {report.lanes[0].window} slices, about" in first
    assert "times slower than boards that hold it whole" in first
    assert any("estimate" in line for line in lines)


def test_a_timeline_shows_each_group_loaded_and_run_on_every_slice() -> None:
    problem = _problem(200)
    planned = plan_or_time_share(problem)
    (lane,) = planned.lanes
    intervals = timeline(problem, lane, 3)
    assert [interval.what for interval in intervals].count(LOADING) == len(lane.shifts)
    for piece in problem.pieces:
        assert [interval.index for interval in intervals if interval.what == piece.name] == [
            0,
            1,
            2,
        ]
    for earlier, later in itertools.pairwise(intervals):
        assert earlier.end == later.start
