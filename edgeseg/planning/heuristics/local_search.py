"""Assignments of any shape by local search, folded ones among them: good and fast, not proven."""

import itertools
import time
from math import inf

import numpy as np

from edgeseg.planning.heuristics.contiguous import contiguous_assignment
from edgeseg.planning.outcome.objective import Objective, costs
from edgeseg.planning.problem.arrays import Assignments, arrays_of
from edgeseg.planning.problem.problem import Problem

_SEEDS = 192
_DESCENTS = 3
_KICKS = 3
_LONGEST_RUN = 3
_LARGE = 256
"""Pieces times boards beyond which one descent must be enough."""

_BLOCK = 1024
"""Neighbours that are compared at once; where there are more, the first block that helps counts."""


def local_search(
    problem: Problem,
    objective: Objective,
    starts: tuple[Assignments, ...] = (),
    *,
    quick: bool = False,
    deadline: float = inf,
) -> Assignments:
    """Return the best assignment found, shape (P,); it may not fit where none was found that does.

    The start is the best of contiguous and folded chains with random cuts, the best contiguous
    one and those given; single pieces, runs, and the two ends of a tensor move to other boards,
    and pieces change places, as long as that helps. The same problem gives the same answer.

    Parameters
    ----------
    problem
        P pieces and B boards.
    objective
        What counts.
    starts
        Assignments to begin with, each of shape (P,).
    quick
        Go down from the best start only, as is done for large problems anyway.
    deadline
        When to stop, as ``time.monotonic`` counts.
    """
    random = _random(problem)
    chain = contiguous_assignment(problem, objective)
    known = (*starts, *(() if chain is None else (chain,)))
    begins = np.unique(np.concatenate([*(k[None] for k in known), _seeds(problem, random)]), axis=0)
    order = costs(problem, begins, objective, smooth=True).argsort(kind="stable")
    size = len(problem.pieces) * len(problem.boards)
    once = quick or len(problem.boards) == 1 or size > _LARGE
    descents, kicks = (1, 0) if once else (_DESCENTS, _KICKS)
    begun = [*begins[order[:descents]], *(() if quick else known)]
    found = [*known, *(descend(problem, start, objective, deadline) for start in begun)]
    best = _best(problem, found, objective)
    for _ in range(kicks):
        kicked = best.copy()
        moved = random.choice(len(best), size=min(3, len(best)), replace=False)
        kicked[moved] = random.integers(len(problem.boards), size=len(moved))
        best = _best(problem, [best, descend(problem, kicked, objective, deadline)], objective)
    return best


def descend(
    problem: Problem, start: Assignments, objective: Objective, deadline: float = inf
) -> Assignments:
    """Improve an assignment of shape (P,) until no move helps or time is up; return no worse."""
    current = start
    cost = float(costs(problem, current[None], objective, smooth=True)[0])
    better: tuple[Assignments, float] | None = (current, cost)
    while better is not None:
        current, cost = better
        if time.monotonic() > deadline:
            break
        better = _step(problem, current, objective, cost)
    return _best(problem, [start, current], objective)


def _step(
    problem: Problem, current: Assignments, objective: Objective, cost: float
) -> tuple[Assignments, float] | None:
    """Return a better neighbour and its cost, or None where none is better."""
    near = neighbours(problem, current)
    count = -(-len(near) // _BLOCK)
    for first in range(count):
        block = near[first::count]
        reached = costs(problem, block, objective, smooth=True, below=cost)
        if reached.min() < cost * (1 - 1e-9):
            return block[reached.argmin()], float(reached.min())
    return None


def _best(problem: Problem, found: list[Assignments], objective: Objective) -> Assignments:
    rows = np.array(found)
    return np.asarray(rows[costs(problem, rows, objective).argmin()], np.int64)


def neighbours(problem: Problem, current: Assignments) -> Assignments:
    """Return all assignments one move away, shape (N, P)."""
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
    for one, other in itertools.combinations(range(count), 2):
        row = current.copy()
        row[[one, other]] = current[[other, one]]
        rows.append(row)
    near = np.array(rows)
    return np.asarray(near[(near != current).any(axis=1)], np.int64)


def random_chains(problem: Problem) -> Assignments:
    """Return contiguous and folded chains with random cuts, shape (N, P); the same each time."""
    return _seeds(problem, _random(problem))


def _random(problem: Problem) -> np.random.Generator:
    return np.random.default_rng(len(problem.pieces))


def _seeds(problem: Problem, random: np.random.Generator) -> Assignments:
    """Return chains over random boards with random cuts, half of them folded, shape (N, P)."""
    t = arrays_of(problem)
    boards, leading = len(problem.boards), fold_partners(problem)
    work = t.seconds.mean(axis=1)
    speed = t.cores / t.seconds.sum(axis=0)
    rows = []
    for number in range(_SEEDS):
        led = leading if number % 2 else list(range(len(leading)))
        weight = np.bincount(led, work, len(led))
        members = random.permutation(boards)[: random.integers(1, boards + 1)]
        shares = speed[members] * random.uniform(0.6, 1.4, len(members))
        edges = np.cumsum(shares) / shares.sum()
        middle = (np.cumsum(weight) - weight / 2) / weight.sum()
        rows.append(members[np.searchsorted(edges[:-1], middle)][led])
    return np.array(rows, np.int64)


def fold_partners(problem: Problem) -> list[int]:
    """For each piece, the piece whose board it shares in a folded chain, itself on the way down.

    A piece that reads a skip goes where the skip was made; those behind it stay with it.
    """
    found: list[int] = []
    for piece in range(len(problem.pieces)):
        made = [(f.wire_bytes, f.producer) for f in problem.flows if piece in f.readers]
        skips = [(size, p) for size, p in made if p is not None and p < piece - 1]
        if skips:
            found.append(found[max(skips)[1]])
        elif piece and found[piece - 1] != piece - 1:
            found.append(found[piece - 1])
        else:
            found.append(piece)
    return found
