"""Branch and bound against all lanes there are."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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
from edgeseg.planning.clock import Deadline
from edgeseg.planning.exact.branch_and_bound import branch_and_bound
from edgeseg.planning.heuristics.local_search import local_search
from edgeseg.planning.outcome.objective import Objective, costs
from edgeseg.planning.problem.problem import Problem

OBJECTIVES: tuple[Objective, ...] = ("throughput", "latency")


def _best(problem: Problem, objective: Objective) -> float:
    return min(reference(problem, row).cost(objective) for row in assignments(problem))


def _check(problem: Problem, objective: Objective, part: float) -> None:
    """Below a part of the best there is nothing, and below more than it the best itself."""
    best = _best(problem, objective)
    result = branch_and_bound(problem, objective, best * part, Deadline.after(30))
    assert result.complete
    if math.isinf(best) or part <= 1:
        assert result.assignment is None
        return
    assert result.assignment is not None
    cost = reference(problem, result.assignment.tolist()).cost(objective)
    assert cost == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("part", [0.999999, 1.0001, 1.5, math.inf])
@pytest.mark.parametrize("seed", range(20))
def test_finds_the_best_of_all_or_that_there_is_none(
    seed: int, part: float, objective: Objective
) -> None:
    _check(small_problem(seed), objective, part)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(OBJECTIVES), st.sampled_from([0.999999, 1.05, 3.0]))
def test_any_problem_is_solved(seed: int, objective: Objective, part: float) -> None:
    _check(small_problem(seed, most_pieces=5), objective, part)


@settings(max_examples=20, deadline=None)
@given(st.integers(120, 700), st.sampled_from([GIGABIT, FAST_ETHERNET, Link(2e6, 8e6, 0.01)]))
def test_small_u_nets_are_solved_whatever_the_memory(limit: int, link: Link) -> None:
    """Seven pieces with a skip; windows of several slices where memory allows."""
    boards = [Board(f"b{n}", limit * MIB // 4, 10 * MIB, 1 + n) for n in range(2)]
    problem = unet_problem(1, boards, [link] * 2, size=128)
    rows = np.array(list(assignments(problem)))
    best = float(costs(problem, rows, "throughput").min())
    fits = best < 1e17
    result = branch_and_bound(problem, "throughput", math.inf, Deadline.after(30))
    assert result.complete
    assert (result.assignment is not None) == fits
    if result.assignment is not None:
        cost = costs(problem, result.assignment[None], "throughput")[0]
        assert cost == pytest.approx(best, rel=1e-9)


def test_proves_within_a_second_that_eight_tight_boards_do_no_better() -> None:
    """A relaxation takes pieces in parts and cannot see that memory is cut into eight."""
    boards = [Board(f"b{n}", 250 * MIB, 60 * MIB) for n in range(8)]
    problem = unet_problem(4, boards, [GIGABIT] * 8)
    chain = local_search(problem.only(range(4)), "throughput")
    cost = float(costs(problem, chain[None], "throughput")[0])
    result = branch_and_bound(problem, "throughput", cost / 2, Deadline.after(20))
    assert result.complete
    assert result.assignment is None


def test_stops_when_the_time_is_up() -> None:
    boards = [Board(f"b{n}", 350 * MIB, 60 * MIB) for n in range(4)]
    problem = unet_problem(4, boards, [GIGABIT] * 4)
    assert not branch_and_bound(problem, "throughput", 0.69, Deadline.after(0.05)).complete
