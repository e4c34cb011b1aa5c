"""The load of assignments: seconds a slice of cores and links, and bytes of memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeseg.boards.memory_use import SEALING
from edgeseg.planning.problem.arrays import Assignments, Floats, ProblemArrays, arrays_of
from edgeseg.planning.problem.merged_runs import runs_of
from edgeseg.planning.problem.problem import Problem

MOST_IN_FLIGHT = 10**6
"""Slices in flight on boards where slices take no memory."""


@dataclass(frozen=True)
class Loads:
    """Seconds a slice, and bytes, of N assignments of P pieces to B boards.

    Parameters
    ----------
    compute
        Seconds of each board's cores, (N, B).
    up, down
        Seconds of each link direction, the coordinator's last, (N, B + 1).
    used
        Whether a board runs anything, (N, B).
    loading
        Peak bytes while the pieces are loaded, the worker's own included, (N, B).
    resident
        Bytes before the first slice, the worker's own included, (N, B).
    held
        Bytes that a slice in flight takes, (N, B).
    """

    compute: Floats
    up: Floats
    down: Floats
    used: NDArray[np.bool_]
    loading: Floats
    resident: Floats
    held: Floats

    @property
    def bottleneck(self) -> Floats:
        """Seconds a slice of the busiest core or link direction, (N,)."""
        busy = np.concatenate([self.compute, self.up, self.down], axis=1)
        return np.asarray(busy.max(axis=1), float)

    def memory(self, in_flight: int) -> Floats:
        """Return the bytes that each board needs, 0 where it runs nothing, (N, B)."""
        need = np.maximum(self.loading, self.resident + in_flight * self.held)
        return np.where(self.used, need, 0.0)

    def excess(self, limit: Floats) -> Floats:
        """Return the bytes by which the worst board exceeds its limit with one slice, (N,).

        Parameters
        ----------
        limit
            Bytes of each board, (B,).

        Returns
        -------
        array
            At most 0 where the assignment fits.
        """
        excess = np.where(self.used, self.memory(1) - limit, -np.inf)
        return np.asarray(excess.max(axis=1), float)

    def in_flight(self, limit: Floats) -> Floats:
        """Return the most slices in flight within the limits, 0 where the pieces do not fit, (N,).

        Parameters
        ----------
        limit
            Bytes of each board, (B,).
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            in_flight = np.floor((limit - self.resident) / self.held)
        in_flight = np.where(self.held > 0, in_flight, MOST_IN_FLIGHT)
        in_flight = np.where(self.loading <= limit, in_flight, 0)
        in_flight = np.where(self.used, np.clip(in_flight, 0, MOST_IN_FLIGHT), MOST_IN_FLIGHT)
        return np.asarray(in_flight.min(axis=1), float)


def loads_of(problem: Problem, assignments: Assignments) -> Loads:
    """Return the load of assignments, in bytes as the workers count them.

    Parameters
    ----------
    problem
        P pieces and B boards.
    assignments
        Board numbers, shape (N, P).
    """
    t = arrays_of(problem)
    boards = len(problem.boards)
    placed = (assignments[:, :, None] == np.arange(boards)).astype(float)
    reads = (t.read_by @ placed) > 0
    produces = (t.produced_by @ placed) > 0
    receives = reads & ~produces
    copies = receives.sum(axis=2) * t.wire
    sent = np.einsum("nfb,nf->nb", produces, copies + t.masks * t.wire)
    up = np.concatenate([sent, copies[:, t.images].sum(axis=1)[:, None]], axis=1)
    back = np.full((len(assignments), 1), t.wire[t.masks].sum())
    down = np.concatenate([np.einsum("nfb,f->nb", receives, t.wire), back], axis=1)
    holds = reads | produces
    if problem.merged is None:
        loading = _loading_peak(problem, placed)
        resident = np.einsum("npb,p->nb", placed, t.resident)
    else:
        runs = runs_of(assignments)
        loading, resident = problem.merged.needs(runs, placed)
        inside = runs.contain(t.producer, t.last_reader) & ~t.images & ~t.masks
        holds &= ~inside[:, :, None]
    if problem.sealed:
        resident = resident + SEALING * _largest_sent(t, produces, receives)
    return Loads(
        compute=np.einsum("npb,pb->nb", placed, t.seconds) / t.cores,
        up=up / t.up,
        down=down / t.down,
        used=placed.any(axis=1),
        loading=t.base + loading,
        resident=t.base + resident,
        held=np.einsum("nfb,f->nb", holds, t.held),
    )


def _largest_sent(
    t: ProblemArrays, produces: NDArray[np.bool_], receives: NDArray[np.bool_]
) -> Floats:
    """Return the bytes of the largest tensor to each receiver, summed for each board, (N, B)."""
    largest = [
        np.where(produces & receives[:, :, target, None], t.wire[:, None], 0.0).max(axis=1)
        for target in range(receives.shape[2])
    ]
    return np.asarray(np.sum(largest, axis=0), float)


def _loading_peak(problem: Problem, placed: Floats) -> Floats:
    """Return the peak bytes while pieces are loaded one after the other, (N, B)."""
    t = arrays_of(problem)
    order = list(problem.loading)
    ordered = placed[:, order]
    resident = ordered * t.resident[order][:, None]
    before = np.cumsum(resident, axis=1) - resident
    return np.asarray((ordered * (before + t.peak[order][:, None])).max(axis=1), float)
