"""Dividing boards into lanes."""

import itertools
import random

import pytest
from planning_problems import MIB, NO_LIMIT, unet_problem

from edgeseg.boards.boards_file import Board
from edgeseg.planning.heuristics.board_groups import best_division, candidate_groups, group_boards
from edgeseg.planning.heuristics.contiguous import contiguous_assignment
from edgeseg.planning.problem.arrays import Assignments
from edgeseg.planning.problem.problem import Problem


@pytest.mark.parametrize("seed", range(10))
def test_no_division_has_a_higher_rate(seed: int) -> None:
    draw = random.Random(seed)
    full = (draw.randint(1, 3), draw.randint(0, 2))
    rates = {counts: draw.uniform(0, sum(counts)) for counts in candidate_groups(full)}
    chosen = best_division(full, rates)
    assert all(
        sum(used) <= count for used, count in zip(zip(*chosen, strict=True), full, strict=True)
    )
    best = max(
        sum(rates[counts] for counts in groups)
        for count in range(sum(full) + 1)
        for groups in itertools.combinations_with_replacement(rates, count)
        if all(sum(c[k] for c in groups) <= full[k] for k in range(len(full)))
    )
    assert sum(rates[counts] for counts in chosen) == pytest.approx(best)


def test_alike_boards_are_solved_for_once_and_then_shared_out() -> None:
    boards = [Board(f"b{n}", 300 * MIB) for n in range(4)]
    problem = unet_problem(4, boards, [NO_LIMIT] * 4)
    sizes = []

    def solve(part: Problem) -> Assignments | None:
        sizes.append(len(part.boards))
        return contiguous_assignment(part, "throughput")

    lanes = group_boards(problem, solve).lanes()
    assert len(sizes) == len(set(sizes)) <= 4
    members = [board for lane in lanes for board in sorted(set(lane.tolist()))]
    assert len(members) == len(set(members))


def test_many_kinds_of_boards_are_not_all_combined() -> None:
    assert len(candidate_groups((1,) * 8)) <= 45
    assert len(candidate_groups((4, 4))) == 24
