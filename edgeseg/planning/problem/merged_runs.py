"""Runs of neighbouring pieces on one board, and their memory once each is merged to one piece."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

_Floats: TypeAlias = NDArray[np.float64]
_Numbers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class MergedRuns:
    """The runs of N assignments of P pieces.

    Parameters
    ----------
    first
        Whether a piece begins a run, (N, P).
    start, end
        Numbers of the first piece of a piece's run and of the first piece after it, (N, P).
    """

    first: NDArray[np.bool_]
    start: _Numbers
    end: _Numbers

    def contain(self, producers: _Numbers, last_readers: _Numbers) -> NDArray[np.bool_]:
        """Return which of F tensors never leave the run of their producer, (N, F).

        Parameters
        ----------
        producers, last_readers
            Numbers of the piece that produces a tensor and of the last that reads it, (F,).
        """
        return np.asarray(self.end[:, producers] > last_readers, bool)


def runs_of(assignments: _Numbers) -> MergedRuns:
    """Return the runs of assignments, shape (N, P)."""
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
    """What each run takes if it is compiled as one piece.

    Parameters
    ----------
    peak, resident
        Bytes while it is loaded and once it is, (P + 1, P + 1), by the run's start and end.
    """

    peak: _Floats
    resident: _Floats

    def needs(self, runs: MergedRuns, placed: _Floats) -> tuple[_Floats, _Floats]:
        """Return the peak bytes while runs are loaded, and the resident bytes, (N, B) each.

        The run that takes most on top of what it keeps counts as loaded last: no order needs more.

        Parameters
        ----------
        runs
            Of N assignments.
        placed
            1 where a piece is on a board, else 0, shape (N, P, B).
        """
        resident_by_run = np.where(runs.first, self.resident[runs.start, runs.end], 0.0)
        peak = np.where(runs.first, self.peak[runs.start, runs.end], 0.0)
        resident = np.einsum("npb,np->nb", placed, resident_by_run)
        return resident + (placed * (peak - resident_by_run)[:, :, None]).max(axis=1), resident
