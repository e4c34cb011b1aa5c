"""Runs of neighbouring pieces on one board, and what each takes once it is one piece."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
_Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class MergedRuns:
    """The runs of N assignments of P pieces.

    Parameters
    ----------
    first
        Whether a piece begins a run, (N, P).
    start, end
        Number of the first piece of a piece's run, and of the one behind the last, (N, P).
    """

    first: NDArray[np.bool_]
    start: _Numbers
    end: _Numbers

    def hold(self, makers: _Numbers, last_readers: _Numbers) -> NDArray[np.bool_]:
        """Tell which of F tensors, by maker and last reader, never leave their run, (N, F)."""
        return np.asarray(self.end[:, makers] > last_readers, bool)


def runs_of(assignments: _Numbers) -> MergedRuns:
    """Find the runs of assignments, shape (N, P)."""
    count = assignments.shape[1]
    changes = assignments[:, 1:] != assignments[:, :-1]
    edge = np.ones((len(assignments), 1), bool)
    first, last = np.hstack([edge, changes]), np.hstack([changes, edge])
    start = np.maximum.accumulate(np.where(first, np.arange(count), 0), axis=1)
    behind = np.where(last, np.arange(1, count + 1), count)
    end = np.minimum.accumulate(behind[:, ::-1], axis=1)[:, ::-1]
    return MergedRuns(first, start, end)


@dataclass(frozen=True, eq=False)
class RunMemory:
    """What every run would take if it were compiled as one piece.

    Arrays of bytes, shape (P + 1, P + 1), by the run's start and end.
    """

    peak: _Floats
    resident: _Floats

    def needs(self, runs: MergedRuns, placed: _Floats) -> tuple[_Floats, _Floats]:
        """Return the most bytes while runs are loaded, and those kept, (N, B) each.

        While loading, the run that takes most is taken to come last: no order needs more.

        Parameters
        ----------
        runs
            Of N assignments.
        placed
            1 where a piece is on a board, else 0, shape (N, P, B).
        """
        kept = np.where(runs.first, self.resident[runs.start, runs.end], 0.0)
        peak = np.where(runs.first, self.peak[runs.start, runs.end], 0.0)
        resident = np.einsum("npb,np->nb", placed, kept)
        return resident + (placed * (peak - kept)[:, :, None]).max(axis=1), resident
