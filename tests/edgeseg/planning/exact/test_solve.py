"""Exact search: enumerated and solved by HiGHS, both are the best of all."""

import numpy as np
import pytest
from planning_problems import NO_LIMIT, assignments, make_problem, reference, small_problem

from edgeseg.boards.boards_file import Board
from edgeseg.planning.clock import Deadline
from edgeseg.planning.exact import solve
from edgeseg.planning.exact.solve import solve_lane
from edgeseg.planning.outcome.objective import Objective
from edgeseg.planning.problem.problem import Flow


@pytest.mark.parametrize("solver", ["enumeration", "highs"])
@pytest.mark.parametrize("objective", ["throughput", "latency", "memory"])
@pytest.mark.parametrize("seed", range(12))
def test_no_assignment_costs_less(
    seed: int, objective: Objective, solver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if solver == "highs":
        monkeypatch.setattr(solve, "MOST_ENUMERATED", 0)
    problem = small_problem(seed, most_pieces=5)
    costs = {row: reference(problem, row).cost(objective) for row in assignments(problem)}
    feasible = [row for row, cost in costs.items() if np.isfinite(cost)]
    if not feasible:
        return
    worst = max(feasible, key=lambda row: costs[row])
    answer = solve_lane(problem, np.array(worst), objective, Deadline.after(20))
    assert answer.assignment is not None
    best, reached = min(costs.values()), costs[tuple(answer.assignment.tolist())]
    assert answer.cost == pytest.approx(reached)
    assert answer.bound <= best * (1 + 1e-9)
    if solver == "enumeration" or objective == "memory":
        assert answer.bound == pytest.approx(best, rel=1e-4)
    if objective == "latency" and solver == "highs":
        # Its program leaves out most of what pieces and transfers wait for each other.
        assert reached <= 1.2 * best
    else:
        assert reached == pytest.approx(best, rel=1e-4)


def test_many_pieces_on_one_board_are_one_assignment() -> None:
    board = Board("only", 10**6)
    flows = [Flow("image", 1, 1, None, (0,))]
    flows += [Flow(f"t{n}", 1, 1, n, (n + 1,)) for n in range(79)]
    flows.append(Flow("mask", 1, 1, 79, (), returns=True))
    problem = make_problem([[1.0]] * 80, flows, [board], [NO_LIMIT])
    assert solve_lane(problem, None, "throughput", Deadline.after(1)).cost == pytest.approx(80.0)
