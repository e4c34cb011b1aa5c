"""Quick plans: the same each time, the best first, and a look where there is much to place."""

import itertools

import numpy as np
import pytest
from planning_problems import NO_LIMIT, make_problem, small_problem

from edgeseg.boards.boards_file import Board
from edgeseg.errors import PlacementError
from edgeseg.planning.heuristics.heuristic_plan import (
    earliest_finish,
    heuristic_plans,
    rounded_period,
)
from edgeseg.planning.outcome.objective import costs
from edgeseg.planning.problem.problem import Flow


@pytest.mark.parametrize("seed", range(12))
def test_plans_are_sorted_and_as_good_as_the_best_single_lane_but_for_a_tenth(seed: int) -> None:
    problem = small_problem(seed)
    try:
        placements = heuristic_plans(problem)
    except PlacementError:
        return
    if not placements:
        return
    order = [rounded_period(placement) for placement in placements]
    assert order == sorted(order)
    count, boards = len(problem.pieces), len(problem.boards)
    rows = np.array(list(itertools.product(range(boards), repeat=count)), np.int64)
    assert order[0] <= costs(problem, rows, "throughput").min() * 1.1
    assert [p.lanes for p in heuristic_plans(problem)] == [p.lanes for p in placements]


def test_two_branches_are_done_soonest_on_two_boards_and_in_the_room_there_is() -> None:
    """The image goes to both; the sum is where the first branch was, which is as soon."""
    flows = [
        Flow("image", 1, 1, None, (0, 1)),
        Flow("a", 1, 1, 0, (2,)),
        Flow("b", 1, 1, 1, (2,)),
        Flow("mask", 1, 1, 2, (), returns=True),
    ]
    wide, tight = [Board(name, 1000) for name in "ab"], [Board("a", 1000), Board("b", 15)]
    seconds = [[1.0, 1.0]] * 3
    spread = make_problem(seconds, flows, wide, [NO_LIMIT] * 2)
    assert earliest_finish(spread)[0] != earliest_finish(spread)[1]
    alone = make_problem(seconds, flows, tight, [NO_LIMIT] * 2)
    assert earliest_finish(alone).tolist() == [0, 0, 0]


def test_many_pieces_are_placed_at_a_look() -> None:
    count = 150
    flows = [Flow("image", 1, 1, None, (0,))]
    flows += [
        Flow(f"f{n}", 1, 1, n, (n + 1,) if n + 1 < count else (), returns=n + 1 == count)
        for n in range(count)
    ]
    boards = [Board(name, 10**6) for name in "ab"]
    problem = make_problem([[1.0, 1.0]] * count, flows, boards, [NO_LIMIT] * 2)
    assert {p.name for p in heuristic_plans(problem)} == {"whole", "folded"}
