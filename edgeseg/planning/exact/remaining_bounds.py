"""What the pieces that are not placed yet take at least, wherever they will be.

Pieces in their order fall into runs, each on one board, and every run must fit: its weights and
its tensors, as often as slices are in flight, into the largest board, and its seconds into the
time between two slices. So there are hops between boards, a hop takes time and a second copy of
the tensor, and a table by dynamic programming knows the least of both.
"""

from dataclasses import dataclass

import numpy as np

from edgeseg.planning.problem.arrays import Floats, arrays_of
from edgeseg.planning.problem.problem import Problem

WINDOWS = 16
"""Slices in flight that are told apart; more take no less than these."""

_ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class RemainingBounds:
    """Least figures of the pieces from k on, k = 0 ... P, for lanes of less than some period.

    Parameters
    ----------
    work
        Seconds on one core of the quickest boards, (P + 1,).
    resident, held, made
        Bytes of the pieces, of the tensors not touched before, of those that they make, (P + 1,).
    tail
        Seconds from the end of piece k to the mask's arrival, (P,).
    path
        The same from the end of piece k - 1, by window - 1, k, and the piece before which its
        board has no more room at the latest, (W, P + 1, P + 1).
    copies
        Bytes of second copies, by the same.
    """

    work: Floats
    resident: Floats
    held: Floats
    made: Floats
    tail: Floats
    path: Floats
    copies: Floats


def remaining_bounds_of(problem: Problem, period: float, windows: int) -> RemainingBounds:
    """Work out what is left to place for lanes that are quicker than a period, in seconds."""
    t = arrays_of(problem)
    quickest = t.seconds.min(axis=1)
    first, made = np.zeros(len(quickest)), np.zeros(len(quickest))
    for number, flow in enumerate(problem.flows):
        first[min(flow.touched_by)] += t.held[number]
        if flow.producer is not None:
            made[flow.producer] += t.held[number]
    tail = _tail(problem, quickest)
    hops = _Hops(problem, quickest, tail, period)
    tables = [hops.tables(window) for window in range(1, windows + 1)]
    return RemainingBounds(
        work=_from(quickest),
        resident=_from(t.resident),
        held=_from(first),
        made=_from(made),
        tail=tail,
        path=np.array([path for path, _ in tables]),
        copies=np.array([copies for _, copies in tables]),
    )


class _Hops:
    """The tables of least path and copies, one window after the other."""

    def __init__(self, problem: Problem, quickest: Floats, tail: Floats, period: float) -> None:
        t = arrays_of(problem)
        self._problem = problem
        self._until = np.concatenate([[0.0], np.cumsum(quickest)])
        self._resident = np.concatenate([[0.0], np.cumsum(t.resident)])
        self._held = _held_by_runs(problem)
        self._room = float((t.limit - t.base).max())
        self._busy = float((period * t.cores).max()) * _ROUNDING
        self._last = float(tail[-1])
        self._seconds, self._bytes, chained = _chain(problem)
        self._whole = np.logical_and.accumulate(chained[::-1])[::-1]

    def tables(self, window: int) -> tuple[Floats, Floats]:
        """Return the least seconds and bytes, each (P + 1, P + 1) by k and a limit of its run."""
        count = len(self._until) - 1
        path, copies = np.full((2, count + 1, count + 1), np.inf)
        path[count], copies[count] = self._last, 0.0
        fresh_path, fresh_copies = path[count].copy(), copies[count].copy()
        for k in range(count - 1, -1, -1):
            ends = slice(k, count + 1)
            run = self._until[ends] - self._until[k]
            need = self._resident[ends] - self._resident[k] + window * self._held[k, ends]
            longest = int(np.flatnonzero((need <= self._room) & (run <= self._busy))[-1])
            seconds = run + self._seconds[ends] + fresh_path[ends]
            bytes_ = window * self._bytes[ends] + fresh_copies[ends]
            some = slice(1, longest + 1)
            fresh_path[k] = seconds[some].min(initial=np.inf)
            fresh_copies[k] = bytes_[some].min(initial=np.inf)
            seconds[0] = self._seconds[k] + fresh_path[k]
            bytes_[0] = window * self._bytes[k] + fresh_copies[k]
            path[k, ends] = np.minimum.accumulate(seconds) if self._whole[k] else 0.0
            copies[k, ends] = np.minimum.accumulate(bytes_)
        return path, copies + self._skips(window)[:, None]

    def _skips(self, window: int) -> Floats:
        """Bytes of skips whose last reader can be on no board that has them already, (P + 1,)."""
        t, count = arrays_of(self._problem), len(self._until) - 1
        touched = ((t.made + t.read) > 0).astype(float)
        alone = touched.T @ t.held
        held = alone[:, None] + alone - touched.T @ (touched * t.held[:, None])
        need = t.resident[:, None] + t.resident + window * held
        work = np.diff(self._until)
        apart = (need > self._room) | (work[:, None] + work > self._busy)
        bytes_ = np.zeros(count + 1)
        for number, flow in enumerate(self._problem.flows):
            *others, reader = flow.touched_by
            if (
                flow.producer is not None
                and reader > flow.producer + 1
                and apart[reader, others].all()
            ):
                bytes_[: reader + 1] += window * t.held[number]
        return bytes_


def _from(values: Floats) -> Floats:
    """Sum the values from each place on."""
    return np.concatenate([np.cumsum(values[::-1])[::-1], [0.0]])


def _tail(problem: Problem, quickest: Floats) -> Floats:
    """Return the longest way from the end of each piece to the mask, transfers left out."""
    t = arrays_of(problem)
    rates = np.minimum(t.up[:-1], t.down[-1])
    back = (t.wire[:, None] / rates + t.delay[:-1]).min(axis=1) + t.delay[-1]
    tail = np.zeros(len(quickest))
    for number, flow in sorted(
        enumerate(problem.flows), key=lambda entry: -(entry[1].producer or 0)
    ):
        if flow.producer is not None:
            after = [quickest[reader] + tail[reader] for reader in flow.readers]
            after += [back[number]] * flow.returns
            tail[flow.producer] = max(tail[flow.producer], *after, 0.0)
    return tail


def _chain(problem: Problem) -> tuple[Floats, Floats, np.ndarray]:
    """For each piece: seconds and bytes of a hop before it, and whether it reads the one before.

    Shapes (P + 1,); the last stands for the end.
    """
    t, count = arrays_of(problem), len(problem.pieces)
    seconds, bytes_ = np.zeros((2, count + 1))
    chained = np.ones(count + 1, bool)
    for piece in range(1, count):
        flows = [
            number
            for number, flow in enumerate(problem.flows)
            if flow.producer == piece - 1 and piece in flow.readers
        ]
        chained[piece] = bool(flows)
        if flows:
            rate = min(t.up[:-1].max(), t.down[:-1].max())
            seconds[piece] = t.wire[flows].max() / rate + 2 * t.delay[:-1].min()
            bytes_[piece] = t.held[flows].sum()
    return seconds, bytes_, chained


def _held_by_runs(problem: Problem) -> Floats:
    """Bytes of the tensors that each run of pieces touches, by start and end, (P + 1, P + 1)."""
    t, count = arrays_of(problem), len(problem.pieces)
    held = np.zeros((count + 1, count + 1))
    for number, flow in enumerate(problem.flows):
        for start in range(count):
            touched = [piece for piece in flow.touched_by if piece >= start]
            if touched:
                held[start, min(touched) + 1 :] += t.held[number]
    return held
