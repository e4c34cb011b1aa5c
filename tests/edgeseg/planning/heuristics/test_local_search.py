"""Local search and contiguous chains, against all there are."""

import numpy as np
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
from edgeseg.planning.heuristics.contiguous import contiguous_assignment
from edgeseg.planning.heuristics.local_search import local_search
from edgeseg.planning.outcome.objective import Objective, costs

OBJECTIVES = ["throughput", "latency", "memory"]


def _is_chain(row: tuple[int, ...]) -> bool:
    runs = [b for n, b in enumerate(row) if n == 0 or row[n - 1] != b]
    return len(runs) == len(set(runs))


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("seed", range(20))
def test_search_finds_what_fits_and_stays_near_the_best(seed: int, objective: Objective) -> None:
    problem = small_problem(seed)
    best = min(reference(problem, row).cost(objective) for row in assignments(problem))
    cost = reference(problem, local_search(problem, objective).tolist()).cost(objective)
    assert best <= cost * (1 + 1e-9)
    assert cost <= best * 1.15 or np.isinf(best)


@pytest.mark.parametrize("seed", range(20))
def test_the_chain_of_least_memory_is_the_best_of_all_chains(seed: int) -> None:
    problem = small_problem(seed, most_pieces=5)
    contiguous_lanes = filter(_is_chain, assignments(problem))
    best = min(reference(problem, row).cost("memory") for row in contiguous_lanes)
    chain = contiguous_assignment(problem, "memory")
    assert (chain is None) == np.isinf(best)
    if chain is not None:
        assert _is_chain(tuple(chain.tolist()))
        assert reference(problem, chain.tolist()).cost("memory") == pytest.approx(best)


def test_many_different_boards_are_chained_too() -> None:
    boards = [Board(f"b{n}", (300 + n) * MIB, speed=1 + n / 10) for n in range(12)]
    problem = unet_problem(2, boards, [FAST_ETHERNET] * 12)
    chain = contiguous_assignment(problem, "throughput")
    assert chain is not None
    assert _is_chain(tuple(chain.tolist()))


def test_the_same_problem_has_the_same_answer() -> None:
    boards = [Board(f"b{n}", 500 * MIB, cores=4) for n in range(3)]
    problem = unet_problem(3, boards, [FAST_ETHERNET] * 3)
    assert (local_search(problem, "throughput") == local_search(problem, "throughput")).all()


def test_on_a_slow_network_a_folded_u_net_beats_a_chain() -> None:
    """A skip that stays on its board is not shipped."""
    boards = [Board(f"b{n}", 450 * MIB) for n in range(2)]
    problem = unet_problem(4, boards, [FAST_ETHERNET] * 2)
    chain = contiguous_assignment(problem, "throughput")
    assert chain is not None
    rows = np.stack([chain, local_search(problem, "throughput")])
    chained, folded = costs(problem, rows, "throughput")
    assert folded < 0.7 * chained
    runs = np.count_nonzero(np.diff(rows[1])) + 1
    assert runs > len(set(rows[1].tolist()))
