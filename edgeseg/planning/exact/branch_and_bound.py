"""Branch and bound for one lane: pieces are placed in order, and dominated placements dropped.

Unlike a linear relaxation it knows the schedule of a slice and that a board holds whole pieces
only, which is what decides where memory is tight.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgeseg.planning.clock import Deadline
from edgeseg.planning.exact.lower_bounds import most_in_flight
from edgeseg.planning.exact.partial_placements import PartialPlacements, allowed_boards
from edgeseg.planning.exact.remaining_bounds import MOST_TABLES, remaining_bounds_of
from edgeseg.planning.outcome.objective import INFEASIBLE, Objective, costs
from edgeseg.planning.problem.arrays import Assignments, Floats, arrays_of
from edgeseg.planning.problem.problem import Problem

_CHUNK = 2000
"""Nodes that are expanded together: few enough to reach full placements early."""

_ROUNDING = 1 - 1e-9


@dataclass(frozen=True)
class BranchingResult:
    """The result of a search for lanes below some cost.

    Parameters
    ----------
    assignment
        The best lane found, shape (P,); None if none was found.
    complete
        Whether it is proven that no lane is better.
    """

    assignment: Assignments | None
    complete: bool


def branch_and_bound(
    problem: Problem, objective: Objective, below: float, deadline: Deadline
) -> BranchingResult:
    """Return the lane of least cost among all that cost less than ``below``.

    Parameters
    ----------
    problem
        P pieces and B boards.
    objective
        ``throughput`` or ``latency``.
    below
        Seconds between two slices for throughput, seconds of one slice for latency.
    deadline
        When to stop; the result is then incomplete.
    """
    return _Search(problem, objective, below).run(deadline)


class _Search:
    """The cost to beat, the best lane so far, and the bounds on nodes."""

    def __init__(self, problem: Problem, objective: Objective, below: float) -> None:
        self._problem, self._objective = problem, objective
        self._below = min(below, INFEASIBLE)
        self._arrays = arrays_of(problem)
        self._pipelined = objective == "throughput"
        largest = min(MOST_TABLES, most_in_flight(problem)) if self._pipelined else 1
        self._most_in_flight = max(1, largest)
        period = self._below if self._pipelined else np.inf
        self._remaining = remaining_bounds_of(problem, period, self._most_in_flight)
        touched = (self._arrays.produced_by + self._arrays.read_by) > 0
        self._touched_bytes = touched * self._arrays.held[:, None]
        self._read_bytes = self._arrays.read_by * self._arrays.wire[:, None]
        self._best: Assignments | None = None

    def run(self, deadline: Deadline) -> BranchingResult:
        """Expand the nodes depth first, of one depth those of the least bound first."""
        stack = [PartialPlacements.root(self._arrays)]
        alike_before = self._problem.alike_before()
        while stack:
            if deadline.passed:
                return BranchingResult(self._best, complete=False)
            nodes = stack.pop()
            nodes = _keep(nodes, nodes.latency < self._latency_limit(nodes))
            if nodes.depth == len(self._problem.pieces):
                self._evaluate(nodes.placed)
                continue
            parents, board = np.nonzero(allowed_boards(nodes, alike_before))
            children = self._prune(nodes.children(parents, board))
            order = children.latency.argsort(kind="stable")[::-1]
            stack += [children.take(order[n : n + _CHUNK]) for n in range(0, len(order), _CHUNK)]
        return BranchingResult(self._best, complete=True)

    def _evaluate(self, placed: Assignments) -> None:
        """Keep the best of full placements, shape (N, P), if it beats the best so far."""
        if len(placed):
            cost = costs(self._problem, placed, self._objective)
            if cost.min() < self._below:
                self._below, self._best = float(cost.min()), placed[cost.argmin()]

    def _prune(self, nodes: PartialPlacements) -> PartialPlacements:
        """Keep the nodes that may lead to a lane below the best; cheap bounds first."""
        tail = nodes.end + self._remaining.tail[nodes.depth - 1]
        nodes = replace(
            nodes,
            latency=np.maximum(nodes.latency, tail),
            in_flight=np.minimum(nodes.in_flight, self._in_flight_bound(nodes)),
        )
        nodes = _keep(nodes, self._may_win(nodes))
        if nodes.depth == len(self._problem.pieces):
            return nodes
        for bound in (self._bound_by_hops, self._bound_by_fit):
            nodes = bound(nodes)
            nodes = _keep(nodes, self._may_win(nodes))
        return nodes

    def _may_win(self, nodes: PartialPlacements) -> NDArray[np.bool_]:
        """Return which nodes no bound excludes yet, (N,)."""
        alive = (nodes.in_flight >= 1) & (nodes.latency < self._latency_limit(nodes))
        if self._pipelined:
            idle = ((self._below - nodes.compute) * self._arrays.cores).clip(0).sum(axis=1)
            busy = np.concatenate([nodes.compute, nodes.up, nodes.down], axis=1).max(axis=1)
            work = self._remaining.work[nodes.depth]
            alive &= (busy < self._below) & (idle >= work * _ROUNDING)
        return np.asarray(alive)

    def _latency_limit(self, nodes: PartialPlacements) -> Floats:
        """Return the seconds that a slice may take, by Little's law, (N,)."""
        return np.asarray(self._below * (nodes.in_flight if self._pipelined else 1.0), float)

    def _in_flight_bound(self, nodes: PartialPlacements) -> Floats:
        """Return the most slices in flight that fit each board, and all boards together, (N,)."""
        available = self._arrays.limit - nodes.resident
        with np.errstate(divide="ignore", invalid="ignore"):
            empty = np.where(available >= 0, np.inf, 0)
            by_board = np.where(nodes.held > 0, available / nodes.held, empty)
        held = nodes.held.sum(axis=1) + self._remaining.held[nodes.depth]
        together = available.clip(0).sum(axis=1) - self._remaining.resident[nodes.depth]
        return np.asarray(np.floor(np.minimum(by_board.min(axis=1), together / held)), float)

    def _least_in_flight(self, nodes: PartialPlacements) -> NDArray[np.int64]:
        """Return the fewest slices in flight with which the latency so far can win, (N,)."""
        largest = self._most_in_flight if self._pipelined else 1
        return np.ceil(nodes.latency / self._below * _ROUNDING).clip(1, largest).astype(np.int64)

    def _bound_by_hops(self, nodes: PartialPlacements) -> PartialPlacements:
        """Add the hops that the remaining pieces need: transfer time and copies of tensors."""
        remaining, k = self._remaining, nodes.depth
        latency = nodes.latency
        for _ in range(2):
            nodes = replace(nodes, latency=latency)
            in_flight = self._least_in_flight(nodes)
            until = k + np.maximum(self._longest_run(nodes, in_flight) - 1, 0)
            path = nodes.end + remaining.path[in_flight - 1, k, until]
            latency = np.maximum(nodes.latency, path)
        available = (self._arrays.limit - nodes.resident).clip(0)
        spare = available - in_flight[:, None] * nodes.held
        copies = remaining.copies[in_flight - 1, k, until]
        need = remaining.resident[k] + in_flight * remaining.held[k] + copies
        fits = spare.sum(axis=1) >= need * _ROUNDING
        return replace(nodes, latency=latency, in_flight=np.where(fits, nodes.in_flight, 0))

    def _longest_run(
        self, nodes: PartialPlacements, in_flight: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return one more than the most next pieces that the board of the last can run, (N,)."""
        arrays, remaining, k = self._arrays, self._remaining, nodes.depth
        rows, board = np.arange(len(nodes)), nodes.placed[:, -1]
        used = nodes.resident[rows, board] + in_flight * nodes.held[rows, board]
        available = arrays.limit[board] - used
        resident = remaining.resident[k] - remaining.resident[k:]
        produced = remaining.produced[k] - remaining.produced[k:]
        need = resident + in_flight[:, None] * produced
        longest = (need <= available[:, None]).sum(axis=1)
        if self._pipelined:
            idle = (self._below - nodes.compute[rows, board]) * arrays.cores[board]
            work = (remaining.work[k] - remaining.work[k:]) * _ROUNDING
            longest = np.minimum(longest, (work <= idle[:, None]).sum(axis=1))
        return np.asarray(longest, np.int64)

    def _bound_by_fit(self, nodes: PartialPlacements) -> PartialPlacements:
        """Bound the slices in flight such that each remaining piece fits on some board."""
        arrays, k = self._arrays, nodes.depth
        boards = len(self._problem.boards)
        present = np.isfinite(nodes.arrival[:, :, :boards]).transpose(0, 2, 1)
        anywhere = np.asarray(np.isfinite(nodes.arrival).any(axis=2), bool)[:, None, :]
        touched = self._touched_bytes[:, k:]
        added = touched.sum(axis=0) - present.astype(float) @ touched
        available = (arrays.limit - nodes.resident)[:, :, None] - arrays.resident[k:]
        held = nodes.held[:, :, None] + added
        in_flight = np.floor(available / np.maximum(held, 1.0))
        if self._pipelined:
            received = (anywhere & ~present).astype(float) @ self._read_bytes[:, k:]
            down = received / arrays.down[:boards, None]
            work = (arrays.seconds[k:] / arrays.cores).T
            fits = nodes.compute[:, :, None] + work < self._below
            fits &= nodes.down[:, :boards, None] + down < self._below
            in_flight = np.where(fits, in_flight, 0.0)
        tightest = in_flight.max(axis=1).min(axis=1)
        return replace(nodes, in_flight=np.minimum(nodes.in_flight, tightest))


def _keep(nodes: PartialPlacements, alive: NDArray[np.bool_]) -> PartialPlacements:
    return nodes if alive.all() else nodes.take(np.flatnonzero(alive))
