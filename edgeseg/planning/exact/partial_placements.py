"""Lanes of which the first pieces are placed: many at once, and all ways to place one more."""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from edgeseg.planning.problem.arrays import Assignments, Floats, ProblemArrays


@dataclass(frozen=True)
class PartialPlacements:
    """N ways to place the first k pieces; machines are B boards, and the coordinator.

    Times are such that no lane that goes on from here can be earlier: transfers wait for what
    they carry and for the other inputs of their piece, not for other transfers.

    Parameters
    ----------
    tables
        The problem.
    placed
        Boards of the pieces, (N, k).
    compute, up, down
        Seconds a slice so far, (N, B) and (N, B + 1).
    resident, held
        Bytes of workers and pieces, and of a slice's tensors, (N, B).
    free
        When each core is free again, (N, B, cores); infinite for cores that are not there.
    there
        When a tensor is on a machine, (N, F, B + 1); infinite where it never came.
    end
        When the last piece is done, (N,).
    latency
        Seconds that a slice takes at least, (N,).
    window
        Slices in flight that there is room for at most, (N,).
    """

    tables: ProblemArrays
    placed: Assignments
    compute: Floats
    up: Floats
    down: Floats
    resident: Floats
    held: Floats
    free: Floats
    there: Floats
    end: Floats
    latency: Floats
    window: Floats

    def __len__(self) -> int:
        """How many there are."""
        return len(self.placed)

    @property
    def depth(self) -> int:
        """How many pieces are placed."""
        return int(self.placed.shape[1])

    @classmethod
    def root(cls, t: ProblemArrays) -> "PartialPlacements":
        """Return the one node at which nothing is placed and the image is there."""
        boards, flows = len(t.problem.boards), len(t.problem.flows)
        there = np.full((1, flows, boards + 1), np.inf)
        there[:, t.images, boards] = 0.0
        cores = np.arange(int(t.cores.max())) < t.cores[:, None]
        return cls(
            tables=t,
            placed=np.zeros((1, 0), np.int64),
            compute=np.zeros((1, boards)),
            up=np.zeros((1, boards + 1)),
            down=np.zeros((1, boards + 1)),
            resident=t.base[None].copy(),
            held=np.zeros((1, boards)),
            free=np.where(cores, 0.0, np.inf)[None],
            there=there,
            end=np.zeros(1),
            latency=np.zeros(1),
            window=np.full(1, np.inf),
        )

    def take(self, rows: Assignments) -> "PartialPlacements":
        """Return some of them, by number; the arrays are copies."""
        arrays = {name: getattr(self, name)[rows] for name in _ARRAYS}
        return PartialPlacements(self.tables, **arrays)

    def children(self, rows: Assignments, board: Assignments) -> "PartialPlacements":
        """Place one more piece of some of them, by number, on a board each; arrays of (M,)."""
        grown = self.take(rows)
        placed = np.concatenate([grown.placed, board[:, None]], axis=1)
        grown = replace(grown, placed=placed)
        grown.run(self.depth, board)
        return grown

    def run(self, piece: int, board: Assignments) -> None:
        """Enter the piece that was placed last: transfers, memory, and when it is done."""
        t, rows = self.tables, np.arange(len(self))
        self.compute[rows, board] += t.seconds[piece, board] / t.cores[board]
        self.resident[rows, board] += t.resident[piece]
        ready = self._fetch(piece, board)
        core = self.free[rows, board].argmin(axis=1)
        self.end[:] = np.maximum(ready, self.free[rows, board, core]) + t.seconds[piece, board]
        self.free[rows, board, core] = self.end
        for flow in np.flatnonzero(t.made[:, piece]):
            self.there[rows, flow, board] = self.end
            self.held[rows, board] += t.held[flow]
            self.up[rows, board] += t.masks[flow] * t.wire[flow] / t.up[board]

    def _fetch(self, piece: int, board: Assignments) -> Floats:
        """Bring the inputs of a piece to its board; return when all are there, (N,).

        Those that come over one wire come one after the other.
        """
        t, rows = self.tables, np.arange(len(self))
        ready, way = np.zeros((2, len(self)))
        first = np.full(len(self), np.inf)
        for flow in np.flatnonzero(t.read[:, piece]):
            producer = t.problem.flows[flow].producer
            source = np.full_like(board, len(t.cores))
            if producer is not None:
                source = self.placed[:, producer]
            missing = np.isinf(self.there[rows, flow, board])
            departs = self.there[rows, flow, source]
            seconds = t.wire[flow] / np.minimum(t.up[source], t.down[board])
            arrives = departs + seconds + t.delay[source] + t.delay[board]
            arrives = np.where(missing, arrives, self.there[rows, flow, board])
            self.there[rows, flow, board] = arrives
            self.up[rows, source] += missing * t.wire[flow] / t.up[source]
            self.down[rows, board] += missing * t.wire[flow] / t.down[board]
            self.held[rows, board] += missing * t.held[flow]
            first = np.where(missing, np.minimum(first, departs), first)
            way += missing * seconds
            ready = np.maximum(ready, arrives)
        return np.where(way > 0, np.maximum(ready, first + way), ready)


_ARRAYS = tuple(field.name for field in fields(PartialPlacements) if field.name != "tables")


def choices(nodes: PartialPlacements, before: list[int | None]) -> NDArray[np.bool_]:
    """Tell which boards the next piece may go to, (N, B): of empty ones alike, the first."""
    boards = len(before)
    used = (nodes.placed[:, :, None] == np.arange(boards)).any(axis=1)
    open_ = np.ones((len(nodes), boards), bool)
    for board, earlier in enumerate(before):
        if earlier is not None:
            open_[:, board] = used[:, earlier]
    return open_
