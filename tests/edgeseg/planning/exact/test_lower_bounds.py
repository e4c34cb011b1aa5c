"""Bounds: nothing is below them, lanes that share boards included."""

import itertools
import random

import numpy as np
import pytest
from planning_problems import assignments, reference, reference_latency, small_problem

from edgeseg.planning.clock import Deadline
from edgeseg.planning.exact import solve
from edgeseg.planning.exact.lower_bounds import least_latency, least_period
from edgeseg.planning.exact.solve import solve_lane
from edgeseg.planning.outcome.latency import latencies
from edgeseg.planning.outcome.load import loads_of
from edgeseg.planning.outcome.objective import Objective
from edgeseg.planning.problem.arrays import arrays_of
from edgeseg.planning.problem.problem import Problem


@pytest.mark.parametrize("objective", ["throughput", "latency", "memory"])
@pytest.mark.parametrize("seed", range(20))
def test_no_lane_is_below_what_the_solver_says(
    seed: int, objective: Objective, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solve, "MOST_ENUMERATED", 0)
    problem = small_problem(seed, most_pieces=5)
    best = min(reference(problem, row).cost(objective) for row in assignments(problem))
    assert solve_lane(problem, None, objective, Deadline.after(10)).bound <= best * (1 + 1e-9)
    assert least_latency(problem) <= min(
        reference_latency(problem, row) for row in assignments(problem)
    ) * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_no_two_lanes_over_the_same_boards_are_below_the_bound(seed: int) -> None:
    """Pairs of lanes: every two windows that fit, and many ways to share the slices out."""
    problem = small_problem(seed, most_pieces=4)
    rows = list(assignments(problem))
    rows = random.Random(seed).sample(rows, min(14, len(rows)))
    pairs = itertools.combinations_with_replacement(rows, 2)
    best = max(_best_rate(problem, pair) for pair in pairs)
    if best > 0:
        assert least_period(problem) <= (1 + 1e-6) / best


def _best_rate(problem: Problem, pair: tuple[tuple[int, ...], tuple[int, ...]]) -> float:
    """Return the most slices a second of two lanes, which may share boards, or 0."""
    t, lanes = arrays_of(problem), np.array(pair)
    loads, latency = loads_of(problem, lanes), latencies(problem, lanes)
    union = (lanes[:, :, None] == np.arange(len(problem.boards))).any(axis=0)
    resident = t.base + union.T @ t.resident
    loading = [_loading(problem, union[:, board], board) for board in range(len(problem.boards))]
    if (np.array(loading) > t.limit).any():
        return 0.0
    busy = np.maximum(np.concatenate([loads.compute, loads.up, loads.down], axis=1), 1e-12)
    best = 0.0
    for windows in itertools.product(range(5), repeat=2):
        if (resident + np.array(windows) @ loads.held <= t.limit).all():
            limits = np.minimum(np.array(windows) / latency, 1 / busy.max(axis=1))
            first = limits[0] * np.linspace(0, 1, 21)
            rest = ((1 - first[:, None] * busy[0]) / busy[1]).min(axis=1)
            best = max(best, float((first + np.clip(rest, 0, limits[1])).max()))
    return best


def _loading(problem: Problem, placed: np.ndarray, board: int) -> float:
    resident = peak = float(problem.boards[board].base_memory) if placed.any() else 0.0
    for piece in problem.loading:
        if placed[piece]:
            peak = max(peak, resident + problem.pieces[piece].peak_bytes)
            resident += problem.pieces[piece].resident_bytes
    return peak
