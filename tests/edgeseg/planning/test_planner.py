"""Plans: the best of all there are, within memory, with reasons."""

import itertools
import math
import time

import pytest
from planning_problems import (
    FAST_ETHERNET,
    MIB,
    assignments,
    reference,
    small_problem,
    unet_problem,
)

from edgeseg.boards.boards_file import Board
from edgeseg.boards.link import GIGABIT, Link
from edgeseg.errors import PlacementError
from edgeseg.planning.outcome.objective import Objective
from edgeseg.planning.outcome.prediction import predict
from edgeseg.planning.outcome.simulation import simulated
from edgeseg.planning.planner import Plan, plan
from edgeseg.planning.problem.problem import Problem


def _best_cost(problem: Problem, objective: Objective) -> float:
    """Look at every lane, and for throughput at every way to divide the boards into lanes."""
    if objective != "throughput":
        return min(reference(problem, row).cost(objective) for row in assignments(problem))
    rates: dict[frozenset[int], float] = {}
    for row in assignments(problem):
        members = frozenset(row)
        rates[members] = max(rates.get(members, 0), 1 / reference(problem, row).cost("throughput"))
    together = max(
        sum(rates[group] for group in groups)
        for count in range(1, len(problem.boards) + 1)
        for groups in itertools.combinations(rates, count)
        if sum(map(len, groups)) == len(frozenset().union(*groups))
    )
    return 1 / together if together else math.inf


def _within_memory(problem: Problem, planned: Plan) -> bool:
    limits = {board.name: board.memory_limit for board in problem.boards}
    return all(need <= limits[name] for name, need in planned.prediction.memory.items())


@pytest.mark.parametrize("objective", ["throughput", "latency", "memory"])
@pytest.mark.parametrize("seed", range(20))
def test_no_placement_is_better(seed: int, objective: Objective) -> None:
    problem = small_problem(seed, most_pieces=5)
    best = _best_cost(problem, objective)
    if math.isinf(best):
        with pytest.raises(PlacementError):
            plan(problem, objective)
        return
    planned = plan(problem, objective)
    assert planned.cost == pytest.approx(best, rel=1e-6)
    assert planned.bound <= best * (1 + 1e-9)
    assert _within_memory(problem, planned)
    members = {name for lane in planned.lanes for name in lane.members}
    assert members.isdisjoint(planned.left_out)
    assert members | set(planned.left_out) == {board.name for board in problem.boards}


def test_boards_that_hold_everything_run_whole_slices() -> None:
    boards = [Board(f"b{n}", 4096 * MIB, cores=4) for n in range(3)]
    planned = plan(unet_problem(3, boards, [GIGABIT] * 3))
    assert planned.method == "whole"
    assert [lane.members for lane in planned.lanes] == [("b0",), ("b1",), ("b2",)]
    assert all(lane.window >= 4 for lane in planned.lanes)
    assert planned.gap < 0.01


def test_on_a_slow_network_the_plan_is_folded() -> None:
    boards = [Board(f"b{n}", 300 * MIB) for n in range(2)]
    planned = plan(unet_problem(4, boards, [FAST_ETHERNET] * 2), time_limit=1.0)
    rates = {row.name: row.prediction.rate for row in planned.strategies}
    assert planned.prediction.rate >= max(rates.values())
    assert rates["folded"] > 1.1 * rates["contiguous"]


def test_thirty_two_pieces_on_eight_boards_take_less_than_five_seconds() -> None:
    boards = [Board(f"b{n}", 450 * MIB, 60 * MIB) for n in range(8)]
    problem = unet_problem(4, boards, [GIGABIT] * 8, convs=3)
    assert len(problem.pieces) == 32
    start = time.process_time()
    planned = plan(problem, time_limit=1.0)
    assert time.process_time() - start < 5.0
    assert _within_memory(problem, planned)


def test_many_pieces_for_which_no_search_finds_a_place_do_not_exceed_the_time_limit_much() -> None:
    """HiGHS finds where they fit; the search that improves on that keeps to the limit too."""
    boards = [Board(f"b{n}", 390 * MIB, 60 * MIB, 2, 1 + n / 10) for n in range(6)]
    problem = unet_problem(4, boards, [GIGABIT] * 6, convs=8)
    assert len(problem.pieces) == 77
    start = time.process_time()
    planned = plan(problem, time_limit=0.5)
    assert time.process_time() - start < 2.0
    assert _within_memory(problem, planned)


def test_the_cost_is_what_slices_that_are_followed_show_where_memory_limits_the_window() -> None:
    """Little's law promises more than waiting for one another leaves."""
    boards = [Board(f"b{n}", 400 * MIB) for n in range(2)]
    problem = unet_problem(4, boards, [GIGABIT] * 2)
    planned = plan(problem, time_limit=1.0)
    assert planned.prediction == simulated(problem, planned.lanes)
    assert planned.bound <= planned.cost == 1 / planned.prediction.rate
    folded = next(row for row in planned.strategies if row.name == "folded")
    assert folded.prediction.rate < 0.9 * predict(problem, folded.lanes).rate
    assert planned.prediction.rate >= max(row.prediction.rate for row in planned.strategies)


def test_eight_boards_of_tight_memory_are_planned_to_the_bound() -> None:
    """What lanes of any size could bring is settled without a solver."""
    boards = [Board(f"b{n}", 250 * MIB, 60 * MIB) for n in range(8)]
    planned = plan(unet_problem(4, boards, [GIGABIT] * 8), time_limit=20.0)
    assert [len(lane.members) for lane in planned.lanes] == [4, 4]
    assert planned.gap < 0.03


def test_a_board_that_would_only_slow_the_others_is_left_out_with_the_reason() -> None:
    boards = [Board("a", 700 * MIB), Board("b", 700 * MIB), Board("snail", 300 * MIB, speed=1e-4)]
    planned = plan(unet_problem(4, boards, [GIGABIT] * 3))
    assert list(planned.left_out) == ["snail"]
    assert "keep its cores busy for" in planned.left_out["snail"]


def test_a_board_behind_a_thin_wire_is_left_out_with_the_reason() -> None:
    boards = [Board("a", 700 * MIB), Board("b", 700 * MIB), Board("far", 300 * MIB)]
    links = [GIGABIT, GIGABIT, Link(1e4, 1e4)]
    planned = plan(unet_problem(4, boards, links))
    assert "keep its way" in planned.left_out["far"]


def test_a_board_too_small_for_any_piece_is_left_out_with_the_numbers() -> None:
    boards = [Board("a", 4096 * MIB), Board("tiny", 9 * MIB, base_memory=8 * MIB)]
    planned = plan(unet_problem(2, boards, [GIGABIT] * 2))
    assert "MiB on tiny, which has 9.0 MiB" in planned.left_out["tiny"]


def test_a_piece_that_fits_nowhere_is_named_with_the_numbers() -> None:
    boards = [Board("a", 60 * MIB, base_memory=40 * MIB), Board("b", 64 * MIB)]
    with pytest.raises(
        PlacementError, match=r"piece_\d+ needs [\d.]+ MiB on b, which has 64.0 MiB"
    ):
        plan(unet_problem(4, boards, [GIGABIT] * 2))


def test_pieces_that_fit_one_by_one_but_not_together_say_what_is_missing() -> None:
    boards = [Board(f"b{n}", 200 * MIB) for n in range(2)]
    with pytest.raises(PlacementError, match=r"needs [\d.]+ MiB on b\d, which has 200 MiB; raise"):
        plan(unet_problem(4, boards, [GIGABIT] * 2))


def test_the_same_problem_has_the_same_plan() -> None:
    boards = [Board(f"b{n}", 500 * MIB, cores=2, speed=1 + n) for n in range(2)]
    problem = unet_problem(2, boards, [FAST_ETHERNET] * 2)
    assert plan(problem).lanes == plan(problem).lanes


@pytest.mark.parametrize("objective", ["throughput", "latency", "memory"])
def test_a_plan_is_never_worse_than_a_fixed_strategy(objective: Objective) -> None:
    boards = [Board(f"pi{n}", 500 * MIB, 60 * MIB, 4) for n in range(2)]
    boards += [Board(f"jetson{n}", 1500 * MIB, 60 * MIB, 6, 3.0) for n in range(2)]
    problem = unet_problem(3, boards, [FAST_ETHERNET] * 4)
    planned = plan(problem, objective, time_limit=1.5)
    figures = [row.prediction for row in planned.strategies]
    assert _within_memory(problem, planned)
    if objective == "throughput":
        assert planned.prediction.rate >= max(row.rate for row in figures) * (1 - 1e-5)
    if objective == "latency":
        assert planned.prediction.latency <= min(row.latency for row in figures)
    if objective == "memory":
        assert planned.prediction.largest_need <= min(row.largest_need for row in figures)
