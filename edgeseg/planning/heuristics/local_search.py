"""Assignments of any shape, folded ones included, by local search: good and fast, not proven."""

import itertools

import numpy as np

from edgeseg.planning.clock import NEVER, Deadline
from edgeseg.planning.heuristics.contiguous import contiguous_assignment
from edgeseg.planning.outcome.objective import Objective, costs
from edgeseg.planning.problem.arrays import Assignments, arrays_of
from edgeseg.planning.problem.problem import Problem

_RANDOM_CHAINS = 192
_DESCENTS = 3
_KICKS = 3
_LONGEST_RUN = 3
_LARGE = 256
"""Pieces times boards above which there is one descent and no kick."""

_BLOCK = 1024
"""Neighbours that are compared at once; of more, the first block with an improvement counts."""


def local_search(
    problem: Problem,
    objective: Objective,
    starts: tuple[Assignments, ...] = (),
    *,
    quick: bool = False,
    deadline: Deadline = NEVER,
) -> Assignments:
    """Return the best assignment found, shape (P,).

    It starts from the best of random contiguous and folded chains, the best contiguous assignment
    and those passed in. A move puts a piece, a run of pieces or both ends of a tensor on another
    board, or exchanges two pieces; moves are made as long as they help. The same problem gives
    the same answer unless time runs out. The answer may exceed a memory limit if none was found
    that does not.

    Parameters
    ----------
    problem
        P pieces and B boards.
    objective
        What counts.
    starts
        Assignments to start from besides, each of shape (P,).
    quick
        Descend from the best start only, as for large problems.
    deadline
        When to stop.
    """
    random = _random(problem)
    chain = contiguous_assignment(problem, objective)
    candidates = (*starts, *(() if chain is None else (chain,)))
    rows = np.concatenate([*(row[None] for row in candidates), _random_chains(problem, random)])
    rows = np.unique(rows, axis=0)
    order = costs(problem, rows, objective, smooth=True).argsort(kind="stable")
    size = len(problem.pieces) * len(problem.boards)
    once = quick or len(problem.boards) == 1 or size > _LARGE
    descents, kicks = (1, 0) if once else (_DESCENTS, _KICKS)
    selected = [*rows[order[:descents]], *(() if quick else candidates)]
    reached = [*candidates, *(descend(problem, start, objective, deadline) for start in selected)]
    best = _best(problem, reached, objective)
    for _ in range(kicks):
        kicked = best.copy()
        moved = random.choice(len(best), size=min(3, len(best)), replace=False)
        kicked[moved] = random.integers(len(problem.boards), size=len(moved))
        best = _best(problem, [best, descend(problem, kicked, objective, deadline)], objective)
    return best


def descend(
    problem: Problem, start: Assignments, objective: Objective, deadline: Deadline = NEVER
) -> Assignments:
    """Improve an assignment, shape (P,), until no move helps or time is up.

    The cost of the result is at most that of the start.
    """
    current = start
    cost = float(costs(problem, current[None], objective, smooth=True)[0])
    improved: tuple[Assignments, float] | None = (current, cost)
    while improved is not None:
        current, cost = improved
        if deadline.passed:
            break
        improved = _step(problem, current, objective, cost, deadline)
    return _best(problem, [start, current], objective)


def _step(
    problem: Problem, current: Assignments, objective: Objective, cost: float, deadline: Deadline
) -> tuple[Assignments, float] | None:
    """Return a better neighbour and its cost, or None where none is better or time is up."""
    near = neighbours(problem, current)
    count = -(-len(near) // _BLOCK)
    for first in range(count):
        block = near[first::count]
        block_costs = costs(problem, block, objective, smooth=True, below=cost)
        if block_costs.min() < cost * (1 - 1e-9):
            return block[block_costs.argmin()], float(block_costs.min())
        if deadline.passed:
            break
    return None


def _best(problem: Problem, rows: list[Assignments], objective: Objective) -> Assignments:
    stacked = np.array(rows)
    return np.asarray(stacked[costs(problem, stacked, objective).argmin()], np.int64)


def neighbours(problem: Problem, current: Assignments) -> Assignments:
    """Return all assignments that are one move from an assignment of shape (P,), shape (N, P)."""
    count, boards = len(problem.pieces), range(len(problem.boards))
    runs = [
        tuple(range(start, start + length))
        for length in range(1, _LONGEST_RUN + 1)
        for start in range(count - length + 1)
    ]
    ends = [
        (flow.producer, reader)
        for flow in problem.flows
        for reader in flow.readers
        if flow.producer is not None
    ]
    rows = []
    for moved, board in itertools.product(dict.fromkeys([*runs, *ends]), boards):
        row = current.copy()
        row[list(moved)] = board
        rows.append(row)
    for first, second in itertools.combinations(range(count), 2):
        row = current.copy()
        row[[first, second]] = current[[second, first]]
        rows.append(row)
    near = np.array(rows)
    return np.asarray(near[(near != current).any(axis=1)], np.int64)


def random_chains(problem: Problem) -> Assignments:
    """Return contiguous and folded chains with random cuts, shape (N, P); the same each time."""
    return _random_chains(problem, _random(problem))


def _random(problem: Problem) -> np.random.Generator:
    return np.random.default_rng(len(problem.pieces))


def _random_chains(problem: Problem, random: np.random.Generator) -> Assignments:
    """Return chains over random boards with random cuts, every other one folded, shape (N, P)."""
    t = arrays_of(problem)
    boards, folded = len(problem.boards), fold_partners(problem)
    straight = list(range(len(folded)))
    work = t.seconds.mean(axis=1)
    speed = t.cores / t.seconds.sum(axis=0)
    rows = []
    for number in range(_RANDOM_CHAINS):
        partners = folded if number % 2 else straight
        weight = np.bincount(partners, work, len(partners))
        members = random.permutation(boards)[: random.integers(1, boards + 1)]
        shares = speed[members] * random.uniform(0.6, 1.4, len(members))
        edges = np.cumsum(shares) / shares.sum()
        middle = (np.cumsum(weight) - weight / 2) / weight.sum()
        rows.append(members[np.searchsorted(edges[:-1], middle)][partners])
    return np.array(rows, np.int64)


def fold_partners(problem: Problem) -> list[int]:
    """Return for each piece the piece whose board it shares in a folded chain.

    A piece that reads a skip shares the board of the skip's producer, and so do the pieces behind
    it until the next skip; a piece on the way down is its own partner.
    """
    partners: list[int] = []
    for piece in range(len(problem.pieces)):
        inputs = [(f.wire_bytes, f.producer) for f in problem.flows if piece in f.readers]
        skips = [(size, p) for size, p in inputs if p is not None and p < piece - 1]
        if skips:
            partners.append(partners[max(skips)[1]])
        elif piece and partners[piece - 1] != piece - 1:
            partners.append(partners[piece - 1])
        else:
            partners.append(piece)
    return partners
