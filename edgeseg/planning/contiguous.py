"""Contiguous placements: every board runs one run of pieces, found by dynamic programming."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgeseg.placement import SPARE_SLICES
from edgeseg.planning.objective import Objective, costs
from edgeseg.planning.problem import Problem
from edgeseg.planning.scores import Assignments, Floats, Scores, score, tables_of

_MOST_STATES = 600
"""Sets of boards to look at; with more, boards are chained in order of speed."""

_State = tuple[int, ...]


@dataclass(frozen=True)
class _Best:
    """Least cost to run the pieces before each end with a set of boards, and how: (P + 1,)."""

    cost: Floats
    runs: tuple[tuple[tuple[int, int], ...], ...]
    """For each end, the boards in order, each with the end of its run."""


def contiguous(problem: Problem, objective: Objective) -> Assignments | None:
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
    found = [
        assignment
        for runs in _run_costs(problem, objective)
        if (assignment := _chain(problem, runs, objective == "latency")) is not None
    ]
    if not found:
        return None
    rows = np.array(found)
    return np.asarray(rows[costs(problem, rows, objective).argmin()], np.int64)


def _run_costs(problem: Problem, objective: Objective) -> Iterator[Floats]:
    """Yield, for every window that makes a difference, the cost of each run on each board.

    Shape (B, P + 1, P + 1), by start and end; infinite where the run doesn't fit.
    """
    count, boards = len(problem.pieces), len(problem.boards)
    starts, ends = np.triu_indices(count + 1, 1)
    inside = (np.arange(count) >= starts[:, None]) & (np.arange(count) < ends[:, None])
    limit = tables_of(problem).limit
    scored = [
        score(problem, np.where(inside, board, (board + 1) % boards)) for board in range(boards)
    ]
    most = sum(board.cores for board in problem.boards) + SPARE_SLICES
    seen: set[bytes] = set()
    for window in range(most if objective == "throughput" else 1, 0, -1):
        table = np.full((boards, count + 1, count + 1), np.inf)
        for board, scores in enumerate(scored):
            cost = _cost(problem, scores, board, objective)
            need = scores.memory(window)[:, board]
            table[board, starts, ends] = np.where(need <= limit[board], cost, np.inf)
        if table.tobytes() not in seen:
            seen.add(table.tobytes())
            yield table


def _cost(problem: Problem, scores: Scores, board: int, objective: Objective) -> Floats:
    up, down, compute = scores.up[:, board], scores.down[:, board], scores.compute[:, board]
    if objective == "memory":
        return np.asarray(scores.memory(1)[:, board], float)
    if objective == "latency":
        return np.asarray(compute * problem.boards[board].cores + (up + down) / 2, float)
    return np.asarray(np.maximum(compute, np.maximum(up, down)), float)


def _chain(problem: Problem, runs: Floats, add: bool) -> Assignments | None:
    """Cut the pieces into runs: the least sum or the least maximum of their costs."""
    count = len(problem.pieces)
    kinds = _kinds(problem)
    start = (0,) * len(kinds)
    first = np.full(count + 1, np.inf)
    first[0] = 0.0
    layer = {start: _Best(first, ((),) * (count + 1))}
    best = layer[start]
    while layer:
        grown: dict[_State, _Best] = {}
        for state, so_far in layer.items():
            for after, board in _steps(state, kinds):
                longer = _extended(so_far, runs[board], board, add)
                grown[after] = _merged(grown[after], longer) if after in grown else longer
        layer = grown
        best = min([best, *layer.values()], key=lambda found: float(found.cost[count]))
    if np.isinf(best.cost[count]):
        return None
    edges = np.array([end for _, end in best.runs[count]])
    return np.array([board for board, _ in best.runs[count]])[
        np.searchsorted(edges, np.arange(count), side="right")
    ]


def _kinds(problem: Problem) -> list[list[int]]:
    """Group the boards that are alike; if that leaves too many sets, all in order of speed."""
    groups: dict[object, list[int]] = {}
    for board in range(len(problem.boards)):
        groups.setdefault(problem.kind(board), []).append(board)
    kinds = list(groups.values())
    if np.prod([len(kind) + 1.0 for kind in kinds]) <= _MOST_STATES:
        return kinds
    speed = tables_of(problem).seconds.sum(axis=0) / tables_of(problem).cores
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
    return _Best(
        cost[starts, np.arange(len(starts))],
        tuple((*so_far.runs[start], (board, end)) for end, start in enumerate(starts.tolist())),
    )


def _merged(one: _Best, other: _Best) -> _Best:
    """Keep the better way to each end."""
    better = one.cost <= other.cost
    chosen = zip(better, one.runs, other.runs, strict=True)
    return _Best(np.minimum(one.cost, other.cost), tuple(a if yes else b for yes, a, b in chosen))
