"""A problem as arrays, so that many assignments of pieces to boards are evaluated at once.

An assignment is a row of board numbers, one for each piece: N of them are an array of shape
(N, P). Links are numbered like the boards; the coordinator's comes last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg.planning.problem.problem import Problem

Floats: TypeAlias = NDArray[np.float64]
Assignments: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class ProblemArrays:
    """A problem as arrays: P pieces, F flows, B boards, B + 1 links."""

    problem: Problem

    @cached_property
    def seconds(self) -> Floats:
        """Seconds of a piece on one core of each board, (P, B)."""
        return np.array([piece.seconds for piece in self.problem.pieces], float)

    @cached_property
    def cores(self) -> Floats:
        """Cores of each board, (B,)."""
        return np.array([board.cores for board in self.problem.boards], float)

    @cached_property
    def base(self) -> Floats:
        """Bytes that each worker takes itself, and its cores for conversions, (B,)."""
        working = self.problem.working_bytes * self.cores
        return np.array([board.base_memory for board in self.problem.boards], float) + working

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
    def produced_by(self) -> Floats:
        """Which piece produces a flow, (F, P) of 0 and 1."""
        producers = [() if f.producer is None else (f.producer,) for f in self.problem.flows]
        return self._incidence(producers)

    @cached_property
    def read_by(self) -> Floats:
        """Which pieces read a flow, (F, P) of 0 and 1."""
        return self._incidence([flow.readers for flow in self.problem.flows])

    @cached_property
    def producer(self) -> NDArray[np.int64]:
        """Number of the piece that produces a flow, 0 for the image, (F,)."""
        return np.array([flow.producer or 0 for flow in self.problem.flows], np.int64)

    @cached_property
    def last_reader(self) -> NDArray[np.int64]:
        """Number of the last piece that reads a flow, (F,)."""
        return np.array([max(flow.readers, default=0) for flow in self.problem.flows], np.int64)

    @cached_property
    def readers_before(self) -> Floats:
        """How many of the first k pieces read a flow, k = 0 ... P, (P + 1, F)."""
        return np.vstack([np.zeros(len(self.problem.flows)), np.cumsum(self.read_by.T, axis=0)])

    @cached_property
    def seconds_before(self) -> Floats:
        """Seconds of the first k pieces on one core of each board, k = 0 ... P, (P + 1, B)."""
        return np.vstack([np.zeros(len(self.problem.boards)), np.cumsum(self.seconds, axis=0)])

    @cached_property
    def least_bytes(self) -> float:
        """Lower bound on the bytes that pieces and one slice take on all boards together."""
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
def arrays_of(problem: Problem) -> ProblemArrays:
    """Return the arrays of a problem; for the same problem the same object."""
    return ProblemArrays(problem)
