"""Lanes improved by simulation: never worse, within memory, alike on boards alike."""

import itertools
import math

import numpy as np
import pytest
from planning_problems import MIB, reference, small_problem, unet_problem

from edgeseg.boards.boards_file import Board
from edgeseg.boards.link import GIGABIT
from edgeseg.planning.clock import Deadline
from edgeseg.planning.heuristics.baselines import evaluate_placement
from edgeseg.planning.heuristics.local_search import local_search
from edgeseg.planning.heuristics.simulated_descent import simulated_descent
from edgeseg.planning.outcome.simulation import steady_rate
from edgeseg.planning.problem.arrays import Assignments
from edgeseg.planning.problem.problem import Problem


def _rate(problem: Problem, row: Assignments) -> float:
    placement = evaluate_placement(problem, "", [row], "throughput")
    assert placement is not None
    return steady_rate(problem, placement.lanes[0])


@pytest.mark.parametrize("seed", range(12))
def test_a_settled_lane_is_never_worse(seed: int) -> None:
    problem = small_problem(seed, most_pieces=5)
    start = local_search(problem, "throughput")
    if math.isinf(reference(problem, start.tolist()).cost("throughput")):
        return
    (settled,) = simulated_descent(problem, [start], Deadline.after(20))
    assert set(settled.tolist()) <= set(start.tolist())
    assert _rate(problem, settled) >= _rate(problem, start) * (1 - 1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_of_few_lanes_none_over_the_same_boards_does_better(seed: int) -> None:
    problem = small_problem(seed, most_pieces=5, most_boards=2)
    start = local_search(problem, "throughput")
    if math.isinf(reference(problem, start.tolist()).cost("throughput")):
        return
    members = problem.only(np.unique(start).tolist())
    (settled,) = simulated_descent(problem, [start], Deadline.after(20))
    rows = itertools.product(range(len(members.boards)), repeat=len(members.pieces))
    placements = [evaluate_placement(members, "", [np.array(row)], "throughput") for row in rows]
    best = max(steady_rate(members, p.lanes[0]) for p in placements if p is not None)
    assert _rate(problem, settled) >= best * (1 - 2e-3)


def test_waiting_that_no_formula_knows_of_is_avoided() -> None:
    boards = [Board(f"b{n}", 450 * MIB, 60 * MIB) for n in range(2)]
    problem = unet_problem(4, boards, [GIGABIT] * 2)
    start = local_search(problem, "throughput")
    (settled,) = simulated_descent(problem, [start], Deadline.after(20))
    assert _rate(problem, settled) > 1.1 * _rate(problem, start)


def test_lanes_over_boards_alike_are_changed_alike() -> None:
    boards = [Board(f"b{n}", 450 * MIB, 60 * MIB) for n in range(4)]
    problem = unet_problem(4, boards, [GIGABIT] * 4)
    start = local_search(problem.only([0, 1]), "throughput")
    first, second = simulated_descent(problem, [start, start + 2], Deadline.after(20))
    assert np.array_equal(first + 2, second)


def test_a_lane_stays_as_it_is_without_time() -> None:
    boards = [Board(f"b{n}", 450 * MIB, 60 * MIB) for n in range(2)]
    problem = unet_problem(4, boards, [GIGABIT] * 2)
    start = local_search(problem, "throughput")
    assert np.array_equal(simulated_descent(problem, [start], Deadline.after(0))[0], start)
