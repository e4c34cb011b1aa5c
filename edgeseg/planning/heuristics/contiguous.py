"""Contiguous placements: every board runs one run of pieces, found by dynamic programming."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from edgeseg.boards.placement import SPARE_SLICES
from edgeseg.planning.outcome.load import Loads, loads_of
from edgeseg.planning.outcome.objective import Objective, costs
from edgeseg.planning.problem.arrays import Assignments, Floats, arrays_of
from edgeseg.planning.problem.problem import Problem

_MOST_STATES = 600
"""Sets of boards to look at; with more, boards are chained in order of speed."""

_MOST_CUTS = 48
"""Places where runs may end; where there are more, those that the fewest bytes cross."""

_State = tuple[int, ...]


@dataclass(frozen=True)
class _Best:
    """Least cost to run the pieces before each end with a set of boards; arrays of (P + 1,).

    The last run of it is on ``board``, from ``start`` on.
    """

    cost: Floats
    board: Assignments
    start: Assignments


@lru_cache(maxsize=256)
def contiguous_assignment(problem: Problem, objective: Objective) -> Assignments | None:
    """Return the contiguous assignment of the least cost, shape (P,), or None if none fits.

    Boards stand in any order, and those that don't help are left out. What a board sends is
    counted as if one other board read it; the winner among the windows is counted exactly.

    Parameters
    ----------
    problem
        P pieces and B boards.
    objective
        What counts.
    """
    found = []
    for runs in _run_costs(problem, objective):
        assignment = _chain(problem, runs, objective == "latency")
        if assignment is None:
            break
        found.append(assignment)
    if not found:
        return None
    rows = np.array(found)
    return np.asarray(rows[costs(problem, rows, objective).argmin()], np.int64)


def _run_costs(problem: Problem, objective: Objective) -> Iterator[Floats]:
    """Yield the cost of each run on each board, for every window that makes a difference.

    Shape (B, P + 1, P + 1), by start and end; infinite where the run doesn't fit.
    """
    count, boards = len(problem.pieces), len(problem.boards)
    cuts = _cuts(problem)
    starts, ends = (cuts[side] for side in np.triu_indices(len(cuts), 1))
    inside = (np.arange(count) >= starts[:, None]) & (np.arange(count) < ends[:, None])
    limit = arrays_of(problem).limit
    scored = [
        loads_of(problem, np.where(inside, board, (board + 1) % boards)) for board in range(boards)
    ]
    most = sum(board.cores for board in problem.boards) + SPARE_SLICES
    seen: set[bytes] = set()
    for window in range(1, most + 1 if objective == "throughput" else 2):
        table = np.full((boards, count + 1, count + 1), np.inf)
        for board, loads in enumerate(scored):
            cost = _cost(problem, loads, board, objective)
            need = loads.memory(window)[:, board]
            table[board, starts, ends] = np.where(need <= limit[board], cost, np.inf)
        if table.tobytes() not in seen:
            seen.add(table.tobytes())
            yield table


def _cuts(problem: Problem) -> Assignments:
    """Return where a run may begin or end, both ends of the partition among them, in order."""
    count = len(problem.pieces)
    crossing = np.zeros(count + 1)
    for flow in problem.flows:
        if flow.readers and flow.producer is not None:
            crossing[flow.producer + 1 : max(flow.readers) + 1] += flow.wire_bytes
    inner = 1 + crossing[1:count].argsort(kind="stable")[:_MOST_CUTS]
    return np.array([0, *np.sort(inner), count], np.int64)


def _cost(problem: Problem, loads: Loads, board: int, objective: Objective) -> Floats:
    up, down, compute = loads.up[:, board], loads.down[:, board], loads.compute[:, board]
    if objective == "memory":
        return np.asarray(loads.memory(1)[:, board], float)
    if objective == "latency":
        return np.asarray(compute * problem.boards[board].cores + (up + down) / 2, float)
    return np.asarray(np.maximum(compute, np.maximum(up, down)), float)


def _chain(problem: Problem, runs: Floats, add: bool) -> Assignments | None:
    """Cut the pieces into runs: the least sum or the least maximum of their costs."""
    count = len(problem.pieces)
    kinds = _kinds(problem)
    nothing = np.zeros(count + 1, np.int64)
    first = _Best(np.where(np.arange(count + 1) == 0, 0.0, np.inf), nothing, nothing)
    layer = {(0,) * len(kinds): first}
    known = dict(layer)
    while layer:
        grown: dict[_State, _Best] = {}
        for state, so_far in layer.items():
            for after, board in _steps(state, kinds):
                longer = _extended(so_far, runs[board], board, add)
                grown[after] = _merged(grown[after], longer) if after in grown else longer
        known |= grown
        layer = grown
    best = min(known, key=lambda state: float(known[state].cost[count]))
    return _traced(known, best, kinds) if np.isfinite(known[best].cost[count]) else None


def _traced(known: dict[_State, _Best], state: _State, kinds: list[list[int]]) -> Assignments:
    """Return the assignment of the least cost with a set of boards, last run first."""
    end = len(known[state].cost) - 1
    assignment = np.zeros(end, np.int64)
    while any(state):
        board, start = int(known[state].board[end]), int(known[state].start[end])
        assignment[start:end] = board
        state = tuple(taken - (board in kind) for taken, kind in zip(state, kinds, strict=True))
        end = start
    return assignment


def _kinds(problem: Problem) -> list[list[int]]:
    """Group the boards that are alike; if that leaves too many sets, all in order of speed."""
    kinds = problem.kinds()
    if np.prod([len(kind) + 1.0 for kind in kinds]) <= _MOST_STATES:
        return kinds
    speed = arrays_of(problem).seconds.sum(axis=0) / arrays_of(problem).cores
    return [sorted(range(len(problem.boards)), key=lambda board: (float(speed[board]), board))]


def _steps(state: _State, kinds: list[list[int]]) -> Iterator[tuple[_State, int]]:
    """Yield the sets that one more board makes, and that board: the next one of its kind."""
    for number, kind in enumerate(kinds):
        taken = state[number]
        if taken < len(kind):
            yield (*state[:number], taken + 1, *state[number + 1 :]), kind[taken]


def _extended(so_far: _Best, runs: Floats, board: int, add: bool) -> _Best:
    """Let one more board run what comes next."""
    before = so_far.cost[:, None]
    cost = before + runs if add else np.maximum(before, runs)
    starts = cost.argmin(axis=0)
    least = cost[starts, np.arange(len(starts))]
    return _Best(least, np.full(len(starts), board), starts)


def _merged(one: _Best, other: _Best) -> _Best:
    """Keep the better way to each end."""
    better = one.cost <= other.cost
    return _Best(
        np.minimum(one.cost, other.cost),
        np.where(better, one.board, other.board),
        np.where(better, one.start, other.start),
    )
