"""What many assignments of pieces to boards cost, worked out at once; the one place that knows.

An assignment is a row of board numbers, one a piece: arrays of shape (N, pieces). Links are
numbered like the boards; the coordinator's comes last.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from edgeseg.planning.problem import Problem
from edgeseg.planning.runs import runs_of

Floats = NDArray[np.float64]
Assignments = NDArray[np.int64]

MOST_WINDOW = 10**6
"""Window of boards whose slices take no memory."""


@dataclass(frozen=True)
class Tables:
    """A problem as arrays: P pieces, F flows, B boards, B + 1 links."""

    problem: Problem

    @cached_property
    def seconds(self) -> Floats:
        """Seconds of a piece on one core, (P, B)."""
        return np.array([piece.seconds for piece in self.problem.pieces], float)

    @cached_property
    def cores(self) -> Floats:
        """Cores of each board, (B,)."""
        return np.array([board.cores for board in self.problem.boards], float)

    @cached_property
    def base(self) -> Floats:
        """Bytes of each worker itself, (B,)."""
        return np.array([board.base_memory for board in self.problem.boards], float)

    @cached_property
    def limit(self) -> Floats:
        """Bytes that each board may take, (B,)."""
        return np.array([board.memory_limit for board in self.problem.boards], float)

    @cached_property
    def resident(self) -> Floats:
        """Bytes that a loaded piece keeps, (P,)."""
        return np.array([piece.resident_bytes for piece in self.problem.pieces], float)

    @cached_property
    def peak(self) -> Floats:
        """Bytes that loading a piece takes, (P,)."""
        return np.array([piece.peak_bytes for piece in self.problem.pieces], float)

    @cached_property
    def wire(self) -> Floats:
        """Bytes of a flow on the wire, (F,)."""
        return np.array([flow.wire_bytes for flow in self.problem.flows], float)

    @cached_property
    def held(self) -> Floats:
        """Bytes of a flow in memory, (F,)."""
        return np.array([flow.held_bytes for flow in self.problem.flows], float)

    @cached_property
    def made(self) -> Floats:
        """Which piece makes a flow, (F, P) of 0 and 1."""
        makers = [() if f.producer is None else (f.producer,) for f in self.problem.flows]
        return self._incidence(makers)

    @cached_property
    def read(self) -> Floats:
        """Which pieces read a flow, (F, P) of 0 and 1."""
        return self._incidence([flow.readers for flow in self.problem.flows])

    @cached_property
    def maker(self) -> NDArray[np.int64]:
        """Number of the piece that makes a flow, 0 for the image, (F,)."""
        return np.array([flow.producer or 0 for flow in self.problem.flows], np.int64)

    @cached_property
    def last_reader(self) -> NDArray[np.int64]:
        """Number of the last piece that reads a flow, (F,)."""
        return np.array([max(flow.readers, default=0) for flow in self.problem.flows], np.int64)

    @cached_property
    def read_before(self) -> Floats:
        """How many of the pieces before each end read a flow, (P + 1, F)."""
        return np.vstack([np.zeros(len(self.problem.flows)), np.cumsum(self.read.T, axis=0)])

    @cached_property
    def seconds_before(self) -> Floats:
        """Seconds of all pieces before each end on one core, (P + 1, B)."""
        return np.vstack([np.zeros(len(self.problem.boards)), np.cumsum(self.seconds, axis=0)])

    @cached_property
    def least_bytes(self) -> float:
        """Bytes that the pieces and one slice take at least, on all boards together."""
        least = self.resident.sum()
        return float(least if self.problem.merged else least + self.held.sum())

    @cached_property
    def images(self) -> NDArray[np.bool_]:
        """Which flows the coordinator sends, (F,)."""
        return np.array([flow.producer is None for flow in self.problem.flows])

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """Which flows go back to the coordinator, (F,)."""
        return np.array([flow.returns for flow in self.problem.flows])

    @cached_property
    def up(self) -> Floats:
        """Bytes a second out of each machine, (B + 1,)."""
        links = (*self.problem.links, self.problem.coordinator)
        return np.array([link.up for link in links], float)

    @cached_property
    def down(self) -> Floats:
        """Bytes a second into each machine, (B + 1,)."""
        links = (*self.problem.links, self.problem.coordinator)
        return np.array([link.down for link in links], float)

    @cached_property
    def delay(self) -> Floats:
        """Seconds one way between each machine and the network, (B + 1,)."""
        links = (*self.problem.links, self.problem.coordinator)
        return np.array([link.latency for link in links], float)

    def _incidence(self, pieces: Sequence[tuple[int, ...]]) -> Floats:
        matrix = np.zeros((len(pieces), len(self.problem.pieces)))
        for flow, numbers in enumerate(pieces):
            matrix[flow, list(numbers)] = 1
        return matrix


@lru_cache(maxsize=64)
def tables_of(problem: Problem) -> Tables:
    """Return the arrays of a problem, made once."""
    return Tables(problem)


@dataclass(frozen=True)
class Scores:
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
        room = np.where(self.held > 0, room, MOST_WINDOW)
        room = np.where(self.loading <= limit, room, 0)
        room = np.where(self.used, np.clip(room, 0, MOST_WINDOW), MOST_WINDOW)
        return np.asarray(room.min(axis=1), float)


def score(problem: Problem, assignments: Assignments) -> Scores:
    """Work out what assignments cost; time and bytes as the workers count them.

    Parameters
    ----------
    problem
        Of P pieces and B boards.
    assignments
        Board numbers, shape (N, P).
    """
    t = tables_of(problem)
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
    return Scores(
        compute=np.einsum("npb,pb->nb", placed, t.seconds) / t.cores,
        up=up / t.up,
        down=down / t.down,
        used=placed.any(axis=1),
        loading=t.base + loading,
        resident=t.base + resident,
        held=np.einsum("nfb,f->nb", kept, t.held),
    )


def _loading_peak(problem: Problem, placed: Floats) -> Floats:
    """Most bytes while pieces are loaded one after the other, (N, B)."""
    t = tables_of(problem)
    order = list(problem.loading)
    here = placed[:, order]
    kept = here * t.resident[order][:, None]
    before = np.cumsum(kept, axis=1) - kept
    return np.asarray((here * (before + t.peak[order][:, None])).max(axis=1), float)


def latencies(problem: Problem, assignments: Assignments) -> Floats:
    """Seconds from a slice's departure to its mask when nothing else is in flight, (N,).

    Pieces take the cores and tensors the links in the order of the partition; a transfer keeps
    the sender's way up and the receiver's way down busy until it is through. A run that is to
    become one piece waits for all that it reads, and sends when all of it is done.
    """
    t = tables_of(problem)
    count, boards = len(assignments), len(problem.boards)
    rows = np.arange(count)
    most = int(t.cores.max())
    cores = np.where(np.arange(most) < t.cores[:, None], 0.0, np.inf)
    free = np.broadcast_to(cores, (count, boards, most)).copy()
    up, down = np.zeros((count, boards + 1)), np.zeros((count, boards + 1))
    there = np.full((count, len(problem.flows), boards + 1), np.inf)

    def send(flow: int, source: Assignments, target: Assignments) -> None:
        made = there[rows, flow, source]
        missing = np.isinf(there[rows, flow, target])
        seconds = t.wire[flow] / np.minimum(t.up[source], t.down[target])
        start = np.maximum(made, np.maximum(up[rows, source], down[rows, target]))
        end = np.where(missing, start + seconds, 0.0)
        up[rows, source] = np.maximum(up[rows, source], end)
        down[rows, target] = np.maximum(down[rows, target], end)
        arrived = end + t.delay[source] + t.delay[target]
        there[rows, flow, target] = np.where(missing, arrived, there[rows, flow, target])

    def publish(flow: int, source: Assignments, ready: Floats) -> None:
        there[rows, flow, source] = ready
        for reader in problem.flows[flow].readers:
            send(flow, source, assignments[:, reader])
        if problem.flows[flow].returns:
            send(flow, source, np.full(count, boards))

    for number, flow in enumerate(problem.flows):
        if flow.producer is None:
            publish(number, np.full(count, boards), np.zeros(count))
    end = np.zeros(count)
    for piece, (inputs, needed, seconds, begins) in enumerate(_steps(problem, assignments)):
        here = assignments[:, piece]
        arrived = there[rows[:, None], inputs, here[:, None]]
        ready = arrived.max(axis=1, initial=0.0, where=needed)
        core = free[rows, here].argmin(axis=1)
        since = free[rows, here, core]
        end = np.where(begins, np.maximum(ready, since) + seconds, end)
        free[rows, here, core] = np.where(begins, end, since)
        for number, flow in enumerate(problem.flows):
            if flow.producer == piece:
                publish(number, here, end)
    masks = there[:, t.masks, boards]
    return np.asarray(masks.max(axis=1), float)


def _steps(
    problem: Problem, assignments: Assignments
) -> Iterator[tuple[Assignments, NDArray[np.bool_], Floats, NDArray[np.bool_]]]:
    """Yield for each piece flows, which of them it waits for, its seconds, whether it is a start.

    The start of a run that is to become one piece waits for all of it and takes its seconds.
    """
    t = tables_of(problem)
    always = np.ones((len(assignments), 1), bool)
    if problem.merged is None:
        for piece, here in enumerate(assignments.T):
            yield np.flatnonzero(t.read[:, piece]), always, t.seconds[piece, here], always[:, 0]
        return
    runs = runs_of(assignments)
    for piece, here in enumerate(assignments.T):
        end = runs.end[:, piece]
        needed = (t.read_before[end] > t.read_before[piece]) & (t.images | (t.maker < piece))
        seconds = t.seconds_before[end, here] - t.seconds_before[piece, here]
        yield np.arange(len(problem.flows)), needed, seconds, runs.first[:, piece]
