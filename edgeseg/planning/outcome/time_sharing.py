"""Boards too small for all pieces: which groups of them take turns in memory, for how many slices.

A group is loaded, runs on every slice of a batch, and makes room for the next; what one group
makes for another waits on disk. All of this is worked out from the problem alone.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from edgeseg.boards.placement import most_alive_of
from edgeseg.planning.problem.arrays import arrays_of
from edgeseg.planning.problem.problem import Problem

SPOOL_BYTES = 2**30
"""What a board is asked to keep on disk at most."""

MOST_SLICES = 64
"""Slices in a batch at most: the first mask must not be hours away."""

_LOADING = 0.1
"""Part of the time that loading may take, as far as batches can be as large as that asks for."""

_LOAD_RATE = 100e6
"""Bytes of loaded pieces a second, read from a memory card and packed. An estimate."""

_DISK_RATE = 80e6
"""Bytes a second to and from a spool that is in part in the page cache. An estimate."""


@dataclass(frozen=True)
class TimeSharing:
    """How a board runs all pieces in turns.

    Parameters
    ----------
    groups
        Numbers of the pieces, group by group.
    batch
        Slices for which a group stays loaded.
    need
        Bytes of memory, the worker's own among them.
    waiting
        Bytes of a slice between two groups at most, on disk.
    loading
        Seconds to load every group once.
    disk
        Seconds a slice to write and read what passes between groups.
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
        """Seconds between two slices, loading among them."""
        return self.loading / self.batch + self.disk + self.compute

    @property
    def latency(self) -> float:
        """Seconds of a slice that is alone."""
        return self.loading + self.disk + self.compute


def time_sharing_of(problem: Problem, board: int, most: int = MOST_SLICES) -> TimeSharing | None:
    """Choose groups and batch for a board: fewest groups, then fewest bytes on disk, then memory.

    The batch is no larger than it takes to load for a tenth of the time; its images wait in
    memory, and are given room before groups are made fewer.

    Parameters
    ----------
    problem
        Pieces and boards.
    board
        Number of the board.
    most
        Slices in a batch at most.

    Returns
    -------
    TimeSharing or None
        None where a piece does not fit alone.
    """
    t, cores = arrays_of(problem), problem.boards[board].cores
    compute = float(t.seconds[:, board].sum() / cores)
    loading = load_seconds(float(t.resident.sum()))
    batch = min(most, _batch(loading, compute))
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
    """Cut the pieces into groups that fit one by one, with a batch, by dynamic programming."""
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
            known = best[end]
            if known is None or cost < known:
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
    """Return the seconds, about, that it takes to load pieces which keep so many bytes."""
    return count / _LOAD_RATE


def disk_bytes(problem: Problem, group: range) -> int:
    """Bytes that a group reads from disk and writes there for a slice."""
    total = 0
    for flow in problem.flows:
        if flow.producer is None:
            continue
        comes = flow.producer < group.start and any(reader in group for reader in flow.readers)
        goes = flow.producer in group and any(reader >= group.stop for reader in flow.readers)
        total += flow.held_bytes * (comes + goes)
    return total


def _crossing(problem: Problem, cut: int) -> int:
    """Bytes of a slice that are on disk after the pieces before a cut."""
    return sum(
        flow.held_bytes
        for flow in problem.flows
        if flow.producer is not None and flow.producer < cut <= max(flow.readers, default=0)
    )


def _batch(loading: float, slice_seconds: float) -> int:
    """Return the fewest slices for which loading takes no more of the time than it should."""
    return max(1, math.ceil(loading * (1 - _LOADING) / (_LOADING * slice_seconds)))


def _need(problem: Problem, board: int, group: range, batch: int) -> int:
    """Bytes that a board needs while a group is loaded."""
    t = arrays_of(problem)
    order = [piece for piece in problem.loading if piece in group]
    kept = np.cumsum(t.resident[order])
    loading = float((kept - t.resident[order] + t.peak[order]).max())
    images = batch * float(t.wire[t.images].sum())
    running = float(kept[-1]) + images + _alive(problem, group)
    return round(float(t.base[board]) + max(loading, running))


def _alive(problem: Problem, group: range) -> int:
    return most_alive_of(_passing(problem)[group.start : group.stop])


@lru_cache(maxsize=64)
def _passing(problem: Problem) -> list[tuple[dict[int, int], dict[int, int]]]:
    """Return the bytes of the flows that each piece reads, and of those that it makes."""
    flows = list(enumerate(problem.flows))
    return [
        (
            {n: flow.held_bytes for n, flow in flows if piece in flow.readers},
            {n: flow.held_bytes for n, flow in flows if flow.producer == piece},
        )
        for piece in range(len(problem.pieces))
    ]
