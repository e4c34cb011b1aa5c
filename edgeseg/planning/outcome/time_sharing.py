"""Time sharing of a board's memory: groups of pieces are loaded in turn, for batches of slices.

For boards too small for all pieces: a group is loaded, runs on every slice of a batch, and is
unloaded for the next group; tensors that one group produces for another wait on disk.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from edgeseg.boards.memory_use import peak_tensor_bytes_of
from edgeseg.planning.problem.arrays import arrays_of
from edgeseg.planning.problem.problem import Problem

SPOOL_BYTES = 2**30
"""Most bytes that a board keeps on disk."""

MOST_SLICES = 64
"""Most slices in a batch, so that the first mask is not hours away."""

_LOADING = 0.1
"""Part of the time that loading may take, where batches can be large enough for that."""

_LOAD_RATE = 100e6
"""Bytes of pieces loaded a second, read from a memory card and packed. An estimate."""

_DISK_RATE = 80e6
"""Bytes a second to and from a spool that is in part in the page cache. An estimate."""


@dataclass(frozen=True)
class TimeSharing:
    """How a board runs all pieces, one group after the other.

    Parameters
    ----------
    groups
        Numbers of the pieces, group by group.
    batch
        Slices for which a group stays loaded.
    need
        Bytes of memory, the worker's own included.
    waiting
        Most bytes of a slice that wait on disk between two groups.
    loading
        Seconds to load every group once.
    disk
        Seconds a slice to write and read the tensors that pass between groups.
    compute
        Seconds a slice of the board's cores.
    """

    groups: tuple[range, ...]
    batch: int
    need: int
    waiting: int
    loading: float
    disk: float
    compute: float

    @property
    def period(self) -> float:
        """Seconds between two slices, loading included."""
        return self.loading / self.batch + self.disk + self.compute

    @property
    def latency(self) -> float:
        """Seconds of one slice in a batch of its own."""
        return self.loading + self.disk + self.compute


def time_sharing_of(
    problem: Problem, board: int, most_slices: int = MOST_SLICES
) -> TimeSharing | None:
    """Return groups and batch for a board: fewest groups, then fewest bytes on disk, then memory.

    The batch is no larger than needed to load for a tenth of the time. Its images wait in memory;
    only where no groups fit beside them is the batch made smaller.

    Parameters
    ----------
    problem
        Pieces and boards.
    board
        Number of the board.
    most_slices
        Most slices in a batch.

    Returns
    -------
    TimeSharing or None
        None where a piece does not fit alone.
    """
    t, cores = arrays_of(problem), problem.boards[board].cores
    compute = float(t.seconds[:, board].sum() / cores)
    loading = load_seconds(float(t.resident.sum()))
    batch = min(most_slices, _batch(loading, compute))
    groups = best_groups(problem, board, batch)
    while groups is None and batch > 1:
        batch //= 2
        groups = best_groups(problem, board, batch)
    if groups is None:
        return None
    disk = sum(disk_bytes(problem, group) for group in groups) / _DISK_RATE
    waiting = max(_crossing(problem, group.stop) for group in groups)
    on_disk = SPOOL_BYTES // waiting - cores if waiting else batch
    batch = max(1, min(batch, on_disk, _batch(loading, disk + compute)))
    need = max(_need(problem, board, group, batch) for group in groups)
    return TimeSharing(groups, batch, need, waiting, loading, disk, compute)


def best_groups(problem: Problem, board: int, batch: int = 1) -> tuple[range, ...] | None:
    """Return the best groups that fit one at a time beside a batch, by dynamic programming.

    Returns
    -------
    tuple of range or None
        Numbers of the pieces by group; None where a piece does not fit alone.
    """
    count, limit = len(problem.pieces), problem.boards[board].memory_limit
    best: list[tuple[int, int, int] | None] = [(0, 0, 0)] + [None] * count
    start = [0] * (count + 1)
    for end in range(1, count + 1):
        for first in reversed(range(end)):
            before, group = best[first], range(first, end)
            need = _need(problem, board, group, batch)
            if need > limit:  # and a longer group needs no less
                break
            if before is None:
                continue
            number, on_disk, largest = before
            cost = (number + 1, on_disk + disk_bytes(problem, group), max(largest, need))
            best_cost = best[end]
            if best_cost is None or cost < best_cost:
                best[end], start[end] = cost, first
    if best[count] is None:
        return None
    groups: list[range] = []
    end = count
    while end:
        groups.insert(0, range(start[end], end))
        end = start[end]
    return tuple(groups)


def load_seconds(count: float) -> float:
    """Return the estimated seconds to load pieces of so many resident bytes."""
    return count / _LOAD_RATE


def disk_bytes(problem: Problem, group: range) -> int:
    """Return the bytes a slice that a group reads from disk and writes to it."""
    total = 0
    for flow in problem.flows:
        if flow.producer is None:
            continue
        is_read = flow.producer < group.start and any(reader in group for reader in flow.readers)
        is_written = flow.producer in group and any(reader >= group.stop for reader in flow.readers)
        total += flow.held_bytes * (is_read + is_written)
    return total


def _crossing(problem: Problem, cut: int) -> int:
    """Return the bytes of a slice that wait on disk at a cut."""
    return sum(
        flow.held_bytes
        for flow in problem.flows
        if flow.producer is not None and flow.producer < cut <= max(flow.readers, default=0)
    )


def _batch(loading: float, slice_seconds: float) -> int:
    """Return the fewest slices in a batch with which loading takes its part of the time or less."""
    return max(1, math.ceil(loading * (1 - _LOADING) / (_LOADING * slice_seconds)))


def _need(problem: Problem, board: int, group: range, batch: int) -> int:
    """Return the bytes that a board needs for a group and the images of a batch."""
    t = arrays_of(problem)
    order = [piece for piece in problem.loading if piece in group]
    resident = np.cumsum(t.resident[order])
    loading = float((resident - t.resident[order] + t.peak[order]).max())
    images = batch * problem.image_planes * float(t.wire[t.images].sum())
    running = float(resident[-1]) + images + _alive(problem, group)
    return round(float(t.base[board]) + max(loading, running))


def _alive(problem: Problem, group: range) -> int:
    """Return the most bytes of tensors of one slice while a group runs."""
    return peak_tensor_bytes_of(_tensor_bytes(problem)[group.start : group.stop])


@lru_cache(maxsize=64)
def _tensor_bytes(problem: Problem) -> list[tuple[dict[int, int], dict[int, int]]]:
    """Return for each piece the bytes of the flows that it reads, and of those that it produces."""
    flows = list(enumerate(problem.flows))
    return [
        (
            {n: flow.held_bytes for n, flow in flows if piece in flow.readers},
            {n: flow.held_bytes for n, flow in flows if flow.producer == piece},
        )
        for piece in range(len(problem.pieces))
    ]
