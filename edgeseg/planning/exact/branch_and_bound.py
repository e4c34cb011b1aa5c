"""Branch and bound for one lane: pieces are placed in their order, and what can't win is dropped.

Unlike a linear program this knows the schedule of a slice and that boards have room for whole
pieces only, which is what tight memory is about.
"""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeseg.planning.exact.lower_bounds import most_in_flight
from edgeseg.planning.exact.partial_placements import PartialPlacements, choices
from edgeseg.planning.exact.remaining_bounds import WINDOWS, RemainingBounds, remaining_bounds_of
from edgeseg.planning.outcome.objective import INFEASIBLE, Objective, costs
from edgeseg.planning.problem.arrays import Assignments, Floats, arrays_of
from edgeseg.planning.problem.problem import Problem

_CHUNK = 2000
"""Nodes that are looked at together: few enough to go down quickly."""

_ROUNDING = 1 - 1e-9


@dataclass(frozen=True)
class BranchingResult:
    """What came of a search for lanes below some cost.

    Parameters
    ----------
    assignment
        The best of them, shape (P,); None if none was found.
    complete
        Whether no better one is left.
    """

    assignment: Assignments | None
    complete: bool


def branch_and_bound(
    problem: Problem, objective: Objective, below: float, seconds: float
) -> BranchingResult:
    """Look for the lane of least cost among all that cost less than a bound.

    Parameters
    ----------
    problem
        P pieces and B boards.
    objective
        ``throughput`` or ``latency``.
    below
        Seconds between two slices, or of one.
    seconds
        Time after which to stop.
    """
    return _Search(problem, objective, below).run(time.monotonic() + seconds)


class _Search:
    """The open nodes and the best lane so far."""

    def __init__(self, problem: Problem, objective: Objective, below: float) -> None:
        self._problem, self._objective, self._below = problem, objective, min(below, INFEASIBLE)
        self._tables = arrays_of(problem)
        self._many = objective == "throughput"
        most = min(WINDOWS, most_in_flight(problem)) if self._many else 1
        self._most = max(1, most)
        self._period = self._below if self._many else np.inf
        self._rest: RemainingBounds = remaining_bounds_of(problem, self._period, self._most)
        touched = (self._tables.made + self._tables.read) > 0
        self._touched = touched * self._tables.held[:, None]
        self._read = self._tables.read * self._tables.wire[:, None]
        self._best: Assignments | None = None

    def run(self, deadline: float) -> BranchingResult:
        """Go down the nodes with the least bound first."""
        stack = [PartialPlacements.root(self._tables)]
        before = self._problem.alike_before()
        while stack:
            if time.monotonic() > deadline:
                return BranchingResult(self._best, complete=False)
            nodes = stack.pop()
            nodes = _only(nodes, nodes.latency < self._most_seconds(nodes))
            if nodes.depth == len(self._problem.pieces):
                self._finish(nodes.placed)
                continue
            children = self._open(nodes.children(*np.nonzero(choices(nodes, before))))
            order = children.latency.argsort(kind="stable")[::-1]
            stack += [children.take(order[n : n + _CHUNK]) for n in range(0, len(order), _CHUNK)]
        return BranchingResult(self._best, complete=True)

    def _finish(self, placed: Assignments) -> None:
        if len(placed):
            cost = costs(self._problem, placed, self._objective)
            if cost.min() < self._below:
                self._below, self._best = float(cost.min()), placed[cost.argmin()]

    def _open(self, nodes: PartialPlacements) -> PartialPlacements:
        """Keep the nodes of which some lane may cost less than the best; cheap reasons first."""
        nodes.latency[:] = np.maximum(nodes.latency, nodes.end + self._rest.tail[nodes.depth - 1])
        nodes.window[:] = np.minimum(nodes.window, self._window(nodes))
        nodes = _only(nodes, self._alive(nodes))
        if nodes.depth == len(self._problem.pieces):
            return nodes
        for reason in (self._hop, self._fit):
            reason(nodes)
            nodes = _only(nodes, self._alive(nodes))
        return nodes

    def _alive(self, nodes: PartialPlacements) -> NDArray[np.bool_]:
        alive = (nodes.window >= 1) & (nodes.latency < self._most_seconds(nodes))
        if self._many:
            room = ((self._below - nodes.compute) * self._tables.cores).clip(0).sum(axis=1)
            busy = np.concatenate([nodes.compute, nodes.up, nodes.down], axis=1).max(axis=1)
            alive &= (busy < self._below) & (room >= self._rest.work[nodes.depth] * _ROUNDING)
        return np.asarray(alive)

    def _most_seconds(self, nodes: PartialPlacements) -> Floats:
        """Seconds that a slice may take, by Little's law."""
        return np.asarray(self._below * (nodes.window if self._many else 1.0), float)

    def _window(self, nodes: PartialPlacements) -> Floats:
        """Most slices in flight: on each board as it is, and on all together with the rest."""
        room = self._tables.limit - nodes.resident
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.where(nodes.held > 0, room / nodes.held, np.where(room >= 0, np.inf, 0))
        held = nodes.held.sum(axis=1) + self._rest.held[nodes.depth]
        together = room.clip(0).sum(axis=1) - self._rest.resident[nodes.depth]
        return np.asarray(np.floor(np.minimum(each.min(axis=1), together / held)), float)

    def _least_window(self, nodes: PartialPlacements) -> NDArray[np.int64]:
        """Fewest slices in flight that are enough for the latency so far."""
        most = self._most if self._many else 1
        return np.ceil(nodes.latency / self._below * _ROUNDING).clip(1, most).astype(np.int64)

    def _hop(self, nodes: PartialPlacements) -> None:
        """Count the hops that the rest needs: time on the way and second copies of tensors."""
        t, rest, k = self._tables, self._rest, nodes.depth
        rows, board = np.arange(len(nodes)), nodes.placed[:, -1]
        for _ in range(2):
            window = self._least_window(nodes)
            free = t.limit[board] - nodes.resident[rows, board] - window * nodes.held[rows, board]
            need = (rest.resident[k] - rest.resident[k:]) + window[:, None] * (
                rest.made[k] - rest.made[k:]
            )
            longest = (need <= free[:, None]).sum(axis=1)
            if self._many:
                idle = (self._below - nodes.compute[rows, board]) * t.cores[board]
                work = (rest.work[k] - rest.work[k:]) * _ROUNDING
                longest = np.minimum(longest, (work <= idle[:, None]).sum(axis=1))
            until = k + np.maximum(longest - 1, 0)
            path = nodes.end + rest.path[window - 1, k, until]
            nodes.latency[:] = np.maximum(nodes.latency, path)
        spare = (t.limit - nodes.resident).clip(0) - window[:, None] * nodes.held
        need = rest.resident[k] + window * rest.held[k] + rest.copies[window - 1, k, until]
        nodes.window[:] = np.where(spare.sum(axis=1) < need * _ROUNDING, 0, nodes.window)

    def _fit(self, nodes: PartialPlacements) -> None:
        """See that each piece of the rest fits on some board beside what is there."""
        t, k = self._tables, nodes.depth
        boards = len(self._problem.boards)
        here = np.isfinite(nodes.there[:, :, :boards]).transpose(0, 2, 1)
        known = np.asarray(np.isfinite(nodes.there).any(axis=2), bool)[:, None, :]
        held = self._touched[:, k:].sum(axis=0) - here.astype(float) @ self._touched[:, k:]
        room = (t.limit - nodes.resident)[:, :, None] - t.resident[k:]
        total = nodes.held[:, :, None] + held
        window = np.floor(room / np.maximum(total, 1.0))
        if self._many:
            down = (known & ~here).astype(float) @ self._read[:, k:] / t.down[:boards, None]
            work = (t.seconds[k:] / t.cores).T
            fits = nodes.compute[:, :, None] + work < self._below
            fits &= nodes.down[:, :boards, None] + down < self._below
            window = np.where(fits, window, 0.0)
        nodes.window[:] = np.minimum(nodes.window, window.max(axis=1).min(axis=1))


def _only(nodes: PartialPlacements, alive: NDArray[np.bool_]) -> PartialPlacements:
    return nodes if alive.all() else nodes.take(np.flatnonzero(alive))
