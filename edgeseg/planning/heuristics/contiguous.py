"""Contiguous assignments: every board runs one run of pieces, by dynamic programming."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from edgeseg.boards.placement import SPARE_SLICES
from edgeseg.planning.outcome.load import Loads, loads_of
from edgeseg.planning.outcome.objective import Objective, costs
from edgeseg.planning.problem.arrays import Assignments, Floats, arrays_of
from edgeseg.planning.problem.problem import Problem

_MOST_STATES = 600
"""Sets of boards up to which all are considered; else boards are chained in order of speed."""

_MOST_CUTS = 48
"""Cuts that are considered; of more, those that the fewest bytes cross."""

_State: TypeAlias = tuple[int, ...]
"""A set of boards: how many of each kind."""


@dataclass(frozen=True)
class _BestChains:
    """The cheapest chain over a set of boards for the pieces before each end; arrays of (P + 1,).

    The last run of a chain is on ``board`` and begins at ``start``.
    """

    cost: Floats
    board: Assignments
    start: Assignments


@lru_cache(maxsize=256)
def contiguous_assignment(problem: Problem, objective: Objective) -> Assignments | None:
    """Return the contiguous assignment of least cost, shape (P,), or None if none fits.

    Boards come in any order, and those that do not help are left out. Each run is charged as if
    one other board read what it sends; the best of the assignments for different numbers of
    slices in flight is chosen by its exact cost.

    Parameters
    ----------
    problem
        P pieces and B boards.
    objective
        What counts.
    """
    assignments = []
    for run_costs in _run_costs(problem, objective):
        assignment = _chain(problem, run_costs, add=objective == "latency")
        if assignment is None:
            break
        assignments.append(assignment)
    if not assignments:
        return None
    rows = np.array(assignments)
    return np.asarray(rows[costs(problem, rows, objective).argmin()], np.int64)


def _run_costs(problem: Problem, objective: Objective) -> Iterator[Floats]:
    """Yield the cost of each run on each board, for 1, 2, ... slices in flight where it differs.

    Shape (B, P + 1, P + 1), by start and end; infinite where the run does not fit.
    """
    count, boards = len(problem.pieces), len(problem.boards)
    cuts = _cuts(problem)
    starts, ends = (cuts[side] for side in np.triu_indices(len(cuts), 1))
    inside = (np.arange(count) >= starts[:, None]) & (np.arange(count) < ends[:, None])
    limit = arrays_of(problem).limit
    loads_by_board = [
        loads_of(problem, np.where(inside, board, (board + 1) % boards)) for board in range(boards)
    ]
    largest = 1
    if objective == "throughput":
        largest = sum(board.cores for board in problem.boards) + SPARE_SLICES
    distinct: set[bytes] = set()
    for in_flight in range(1, largest + 1):
        table = np.full((boards, count + 1, count + 1), np.inf)
        for board, loads in enumerate(loads_by_board):
            cost = _cost(problem, loads, board, objective)
            need = loads.memory(in_flight)[:, board]
            table[board, starts, ends] = np.where(need <= limit[board], cost, np.inf)
        if table.tobytes() not in distinct:
            distinct.add(table.tobytes())
            yield table


def _cuts(problem: Problem) -> Assignments:
    """Return the places where a run may begin or end, both ends of the partition included."""
    count = len(problem.pieces)
    crossing = np.zeros(count + 1)
    for flow in problem.flows:
        if flow.readers and flow.producer is not None:
            crossing[flow.producer + 1 : max(flow.readers) + 1] += flow.wire_bytes
    inner = 1 + crossing[1:count].argsort(kind="stable")[:_MOST_CUTS]
    return np.array([0, *np.sort(inner), count], np.int64)


def _cost(problem: Problem, loads: Loads, board: int, objective: Objective) -> Floats:
    """Return what each run costs on its board, (N,), in seconds or bytes."""
    up, down, compute = loads.up[:, board], loads.down[:, board], loads.compute[:, board]
    if objective == "memory":
        return np.asarray(loads.memory(1)[:, board], float)
    if objective == "latency":
        return np.asarray(compute * problem.boards[board].cores + (up + down) / 2, float)
    return np.asarray(np.maximum(compute, np.maximum(up, down)), float)


def _chain(problem: Problem, run_costs: Floats, *, add: bool) -> Assignments | None:
    """Return the chain of the least sum of run costs (``add``) or of the least maximum, (P,)."""
    count = len(problem.pieces)
    kinds = _kinds(problem)
    nothing = np.zeros(count + 1, np.int64)
    first = _BestChains(np.where(np.arange(count + 1) == 0, 0.0, np.inf), nothing, nothing)
    layer = {(0,) * len(kinds): first}
    best_by_state = dict(layer)
    while layer:
        grown: dict[_State, _BestChains] = {}
        for state, so_far in layer.items():
            for after, board in _steps(state, kinds):
                longer = _extended(so_far, run_costs[board], board, add=add)
                grown[after] = _merged(grown[after], longer) if after in grown else longer
        best_by_state |= grown
        layer = grown
    best = min(best_by_state, key=lambda state: float(best_by_state[state].cost[count]))
    if np.isinf(best_by_state[best].cost[count]):
        return None
    return _traced(best_by_state, best, kinds)


def _traced(
    best_by_state: dict[_State, _BestChains], state: _State, kinds: list[list[int]]
) -> Assignments:
    """Return the assignment of the best chain over a set of boards, traced from its last run."""
    end = len(best_by_state[state].cost) - 1
    assignment = np.zeros(end, np.int64)
    while any(state):
        chains = best_by_state[state]
        board, start = int(chains.board[end]), int(chains.start[end])
        assignment[start:end] = board
        state = tuple(used - (board in kind) for used, kind in zip(state, kinds, strict=True))
        end = start
    return assignment


def _kinds(problem: Problem) -> list[list[int]]:
    """Return the boards by kind; with too many sets of boards, as one kind in order of speed."""
    kinds = problem.kinds()
    if np.prod([len(kind) + 1.0 for kind in kinds]) <= _MOST_STATES:
        return kinds
    speed = arrays_of(problem).seconds.sum(axis=0) / arrays_of(problem).cores
    return [sorted(range(len(problem.boards)), key=lambda board: (float(speed[board]), board))]


def _steps(state: _State, kinds: list[list[int]]) -> Iterator[tuple[_State, int]]:
    """Yield each set with one more board, and that board: the next one of its kind."""
    for number, kind in enumerate(kinds):
        used = state[number]
        if used < len(kind):
            yield (*state[:number], used + 1, *state[number + 1 :]), kind[used]


def _extended(so_far: _BestChains, run_costs: Floats, board: int, *, add: bool) -> _BestChains:
    """Return the best chains with one more run, on one more board."""
    before = so_far.cost[:, None]
    cost = before + run_costs if add else np.maximum(before, run_costs)
    starts = cost.argmin(axis=0)
    least = cost[starts, np.arange(len(starts))]
    return _BestChains(least, np.full(len(starts), board), starts)


def _merged(first: _BestChains, second: _BestChains) -> _BestChains:
    """Return the better chain to each end."""
    better = first.cost <= second.cost
    return _BestChains(
        np.minimum(first.cost, second.cost),
        np.where(better, first.board, second.board),
        np.where(better, first.start, second.start),
    )
