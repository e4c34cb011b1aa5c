"""Lower bounds on what the pieces not placed yet take, wherever they are placed.

The pieces in their order fall into runs, each on one board, and each run must fit: its weights
and its tensors, once for each slice in flight, into the memory of the largest board, and its
seconds into the time between two slices. So there are hops between boards, and a hop takes
transfer time and a second copy of the tensor; a table by dynamic programming holds the least of
both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeseg.planning.problem.arrays import Floats, arrays_of
from edgeseg.planning.problem.problem import Problem

MOST_TABLES = 16
"""Numbers of slices in flight with a table of their own; more take no less than the last."""

_ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class RemainingBounds:
    """Lower bounds on the pieces from k on, k = 0 ... P, for lanes below some period.

    Parameters
    ----------
    work
        Seconds on one core, each piece on the board that is quickest for it, (P + 1,).
    resident, held, produced
        Bytes of the pieces, of the tensors that no earlier piece touches, and of the tensors that
        the pieces produce, (P + 1,).
    tail
        Seconds from the end of piece k to the arrival of the mask, (P,).
    path
        Seconds from the end of piece k - 1 to the arrival of the mask, (W, P + 1, P + 1): by the
        slices in flight less one, by k, and by the last piece before which a hop must come.
    copies
        Bytes of second copies of tensors, by the same.
    """

    work: Floats
    resident: Floats
    held: Floats
    produced: Floats
    tail: Floats
    path: Floats
    copies: Floats


def remaining_bounds_of(problem: Problem, period: float, most_in_flight: int) -> RemainingBounds:
    """Return the bounds for lanes below a period.

    Parameters
    ----------
    problem
        P pieces and B boards.
    period
        Seconds between two slices that lanes of interest are below; may be infinite.
    most_in_flight
        Tables are made for 1 to this many slices in flight.
    """
    t = arrays_of(problem)
    quickest = t.seconds.min(axis=1)
    first_touched, produced = np.zeros((2, len(quickest)))
    for number, flow in enumerate(problem.flows):
        first_touched[min(flow.touched_by)] += t.held[number]
        if flow.producer is not None:
            produced[flow.producer] += t.held[number]
    tail = _tail(problem, quickest)
    hops = _HopTables(problem, quickest, tail, period)
    tables = [hops.tables(in_flight) for in_flight in range(1, most_in_flight + 1)]
    return RemainingBounds(
        work=_sums_from(quickest),
        resident=_sums_from(t.resident),
        held=_sums_from(first_touched),
        produced=_sums_from(produced),
        tail=tail,
        path=np.array([path for path, _ in tables]),
        copies=np.array([copies for _, copies in tables]),
    )


class _HopTables:
    """The tables of least path and least copies, for one number of slices in flight each."""

    def __init__(self, problem: Problem, quickest: Floats, tail: Floats, period: float) -> None:
        t = arrays_of(problem)
        self._problem = problem
        self._seconds_before = np.concatenate([[0.0], np.cumsum(quickest)])
        self._resident_before = np.concatenate([[0.0], np.cumsum(t.resident)])
        self._held = _held_by_runs(problem)
        self._largest_bytes = float((t.limit - t.base).max())
        self._longest_seconds = float((period * t.cores).max()) * _ROUNDING
        self._last_tail = float(tail[-1])
        self._hop_seconds, self._hop_bytes, chained = _hops(problem)
        self._chained_to_end = np.logical_and.accumulate(chained[::-1])[::-1]

    def tables(self, in_flight: int) -> tuple[Floats, Floats]:
        """Return the least seconds and bytes, each (P + 1, P + 1) by k and the latest next hop."""
        count = len(self._seconds_before) - 1
        path, copies = np.full((2, count + 1, count + 1), np.inf)
        path[count], copies[count] = self._last_tail, 0.0
        # From k on, where a run begins at k.
        path_of_start, copies_of_start = path[count].copy(), copies[count].copy()
        for k in range(count - 1, -1, -1):
            ends = slice(k, count + 1)
            run_seconds = self._seconds_before[ends] - self._seconds_before[k]
            resident = self._resident_before[ends] - self._resident_before[k]
            need = resident + in_flight * self._held[k, ends]
            fits = (need <= self._largest_bytes) & (run_seconds <= self._longest_seconds)
            longest = int(np.flatnonzero(fits)[-1])
            seconds = run_seconds + self._hop_seconds[ends] + path_of_start[ends]
            bytes_ = in_flight * self._hop_bytes[ends] + copies_of_start[ends]
            runs = slice(1, longest + 1)
            path_of_start[k] = seconds[runs].min(initial=np.inf)
            copies_of_start[k] = bytes_[runs].min(initial=np.inf)
            seconds[0] = self._hop_seconds[k] + path_of_start[k]
            bytes_[0] = in_flight * self._hop_bytes[k] + copies_of_start[k]
            path[k, ends] = np.minimum.accumulate(seconds) if self._chained_to_end[k] else 0.0
            copies[k, ends] = np.minimum.accumulate(bytes_)
        return path, copies + self._skip_copies(in_flight)[:, None]

    def _skip_copies(self, in_flight: int) -> Floats:
        """Return the bytes of skips whose last reader fits no board that holds them, (P + 1,)."""
        t, count = arrays_of(self._problem), len(self._seconds_before) - 1
        touched = ((t.produced_by + t.read_by) > 0).astype(float)
        alone = touched.T @ t.held
        held = alone[:, None] + alone - touched.T @ (touched * t.held[:, None])
        need = t.resident[:, None] + t.resident + in_flight * held
        work = np.diff(self._seconds_before)
        too_long = work[:, None] + work > self._longest_seconds
        apart = (need > self._largest_bytes) | too_long
        bytes_ = np.zeros(count + 1)
        for number, flow in enumerate(self._problem.flows):
            *others, reader = flow.touched_by
            if (
                flow.producer is not None
                and reader > flow.producer + 1
                and apart[reader, others].all()
            ):
                bytes_[: reader + 1] += in_flight * t.held[number]
        return bytes_


def _sums_from(values: Floats) -> Floats:
    """Return the sums of the values from each place to the end, (P + 1,)."""
    return np.concatenate([np.cumsum(values[::-1])[::-1], [0.0]])


def _tail(problem: Problem, quickest: Floats) -> Floats:
    """Return the longest path from the end of each piece to the mask, without transfers, (P,)."""
    t = arrays_of(problem)
    rates = np.minimum(t.up[:-1], t.down[-1])
    back = (t.wire[:, None] / rates + t.delay[:-1]).min(axis=1) + t.delay[-1]
    tail = np.zeros(len(quickest))
    for number, flow in sorted(
        enumerate(problem.flows), key=lambda entry: -(entry[1].producer or 0)
    ):
        if flow.producer is not None:
            paths = [quickest[reader] + tail[reader] for reader in flow.readers]
            paths += [back[number]] * flow.returns
            tail[flow.producer] = max(tail[flow.producer], *paths, 0.0)
    return tail


def _hops(problem: Problem) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return seconds and bytes of a hop before each piece, and whether it reads its predecessor.

    Shapes (P + 1,); the last entry stands for the end.
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
    """Return the bytes of tensors that each run touches, by start and end, (P + 1, P + 1)."""
    t, count = arrays_of(problem), len(problem.pieces)
    held = np.zeros((count + 1, count + 1))
    for number, flow in enumerate(problem.flows):
        for start in range(count):
            touching = [piece for piece in flow.touched_by if piece >= start]
            if touching:
                held[start, min(touching) + 1 :] += t.held[number]
    return held
