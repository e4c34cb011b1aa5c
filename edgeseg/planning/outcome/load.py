"""What assignments of pieces to boards take, in seconds of cores and links and in bytes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeseg.boards.placement import SEALING
from edgeseg.planning.problem.arrays import Assignments, Floats, ProblemArrays, arrays_of
from edgeseg.planning.problem.merged_runs import runs_of
from edgeseg.planning.problem.problem import Problem

MOST_IN_FLIGHT = 10**6
"""Window of boards whose slices take no memory."""


@dataclass(frozen=True)
class Loads:
    """Seconds a slice and bytes of N assignments.

    Parameters
    ----------
    compute
        Seconds of each board's cores, (N, B).
    up, down
        Seconds of each link direction, the coordinator's last, (N, B + 1).
    used
        Whether a board runs anything, (N, B).
    loading
        Most bytes while the pieces are loaded, the worker's own among them, (N, B).
    resident
        Bytes before the first slice, the worker's own among them, (N, B).
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
        """Seconds a slice of what is busiest, (N,)."""
        busy = np.concatenate([self.compute, self.up, self.down], axis=1)
        return np.asarray(busy.max(axis=1), float)

    def memory(self, window: int) -> Floats:
        """Bytes that each board needs, 0 where it runs nothing, (N, B)."""
        need = np.maximum(self.loading, self.resident + window * self.held)
        return np.where(self.used, need, 0.0)

    def excess(self, limit: Floats) -> Floats:
        """Bytes by which the worst board lacks room for one slice, at most 0 where it fits."""
        lack = np.where(self.used, self.memory(1) - limit, -np.inf)
        return np.asarray(lack.max(axis=1), float)

    def window(self, limit: Floats) -> Floats:
        """Most slices in flight within the limits, 0 where not even the pieces fit, (N,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.floor((limit - self.resident) / self.held)
        room = np.where(self.held > 0, room, MOST_IN_FLIGHT)
        room = np.where(self.loading <= limit, room, 0)
        room = np.where(self.used, np.clip(room, 0, MOST_IN_FLIGHT), MOST_IN_FLIGHT)
        return np.asarray(room.min(axis=1), float)


def loads_of(problem: Problem, assignments: Assignments) -> Loads:
    """Work out what assignments cost; time and bytes as the workers count them.

    Parameters
    ----------
    problem
        Of P pieces and B boards.
    assignments
        Board numbers, shape (N, P).
    """
    t = arrays_of(problem)
    boards = len(problem.boards)
    placed = (assignments[:, :, None] == np.arange(boards)).astype(float)
    read = (t.read @ placed) > 0
    made = (t.made @ placed) > 0
    came = read & ~made
    copies = came.sum(axis=2) * t.wire
    sent = np.einsum("nfb,nf->nb", made, copies + t.masks * t.wire)
    up = np.concatenate([sent, copies[:, t.images].sum(axis=1)[:, None]], axis=1)
    back = np.full((len(assignments), 1), t.wire[t.masks].sum())
    down = np.concatenate([np.einsum("nfb,f->nb", came, t.wire), back], axis=1)
    kept = read | made
    if problem.merged is None:
        loading = _loading_peak(problem, placed)
        resident = np.einsum("npb,p->nb", placed, t.resident)
    else:
        runs = runs_of(assignments)
        loading, resident = problem.merged.needs(runs, placed)
        kept &= ~(runs.hold(t.maker, t.last_reader) & ~t.images & ~t.masks)[:, :, None]
    if problem.sealed:
        resident = resident + SEALING * _largest_sent(t, made, came)
    return Loads(
        compute=np.einsum("npb,pb->nb", placed, t.seconds) / t.cores,
        up=up / t.up,
        down=down / t.down,
        used=placed.any(axis=1),
        loading=t.base + loading,
        resident=t.base + resident,
        held=np.einsum("nfb,f->nb", kept, t.held),
    )


def _largest_sent(t: ProblemArrays, made: NDArray[np.bool_], came: NDArray[np.bool_]) -> Floats:
    """Bytes of the largest tensor from each board to every other, added up, (N, B)."""
    largest = [
        np.where(made & came[:, :, target, None], t.wire[:, None], 0.0).max(axis=1)
        for target in range(came.shape[2])
    ]
    return np.asarray(np.sum(largest, axis=0), float)


def _loading_peak(problem: Problem, placed: Floats) -> Floats:
    """Most bytes while pieces are loaded one after the other, (N, B)."""
    t = arrays_of(problem)
    order = list(problem.loading)
    here = placed[:, order]
    kept = here * t.resident[order][:, None]
    before = np.cumsum(kept, axis=1) - kept
    return np.asarray((here * (before + t.peak[order][:, None])).max(axis=1), float)
