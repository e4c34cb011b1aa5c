"""Partial placements of a lane: the first pieces placed, and the ways to place one more."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from edgeseg.planning.problem.arrays import Assignments, Floats, ProblemArrays


@dataclass(frozen=True)
class PartialPlacements:
    """N placements of the first k pieces; machines are the B boards and the coordinator.

    Times are lower bounds for every lane that completes a partial placement: transfers wait for
    the tensor that they carry and for the other inputs of its reader, not for other transfers.
    Arrays are read-only.

    Parameters
    ----------
    arrays
        The problem.
    placed
        Board of each placed piece, (N, k).
    compute, up, down
        Seconds a slice of cores and of link directions so far, (N, B) and (N, B + 1).
    resident, held
        Bytes of workers and pieces, and of the tensors of a slice, (N, B).
    core_free
        When each core is idle again, (N, B, cores); infinite for cores that a board lacks.
    arrival
        When a tensor is on a machine, (N, F, B + 1); infinite where it never comes.
    end
        When the piece placed last is done, (N,).
    latency
        Lower bound on the seconds of a slice, (N,).
    in_flight
        Upper bound on the slices in flight within the memory limits, (N,).
    """

    arrays: ProblemArrays
    placed: Assignments
    compute: Floats
    up: Floats
    down: Floats
    resident: Floats
    held: Floats
    core_free: Floats
    arrival: Floats
    end: Floats
    latency: Floats
    in_flight: Floats

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for name in _ARRAYS:
            getattr(self, name).setflags(write=False)

    def __len__(self) -> int:
        """Return N."""
        return len(self.placed)

    @property
    def depth(self) -> int:
        """The number of placed pieces, k."""
        return int(self.placed.shape[1])

    @classmethod
    def root(cls, arrays: ProblemArrays) -> "PartialPlacements":
        """Return the one placement of no piece, with the image at the coordinator."""
        boards, flows = len(arrays.problem.boards), len(arrays.problem.flows)
        arrival = np.full((1, flows, boards + 1), np.inf)
        arrival[:, arrays.images, boards] = 0.0
        cores = np.arange(int(arrays.cores.max())) < arrays.cores[:, None]
        return cls(
            arrays=arrays,
            placed=np.zeros((1, 0), np.int64),
            compute=np.zeros((1, boards)),
            up=np.zeros((1, boards + 1)),
            down=np.zeros((1, boards + 1)),
            resident=arrays.base[None].copy(),
            held=np.zeros((1, boards)),
            core_free=np.where(cores, 0.0, np.inf)[None],
            arrival=arrival,
            end=np.zeros(1),
            latency=np.zeros(1),
            in_flight=np.full(1, np.inf),
        )

    def take(self, rows: Assignments) -> "PartialPlacements":
        """Return the placements of these numbers, shape (M,), as copies."""
        return PartialPlacements(self.arrays, **{n: getattr(self, n)[rows] for n in _ARRAYS})

    def children(self, rows: Assignments, board: Assignments) -> "PartialPlacements":
        """Return placements of one more piece.

        Parameters
        ----------
        rows
            Numbers of the placements to extend, (M,).
        board
            The board of the next piece for each of them, (M,).
        """
        extension = _Extension(self, rows, board)
        extension.run(extension.fetch_inputs())
        return extension.result()


_ARRAYS = tuple(field.name for field in fields(PartialPlacements) if field.name != "arrays")


class _Extension:
    """Copies of partial placements, to which the next piece is being added."""

    def __init__(self, parents: PartialPlacements, rows: Assignments, board: Assignments) -> None:
        self._arrays, self._board, self._piece = parents.arrays, board, parents.depth
        self._rows = np.arange(len(rows))
        self._copies = {name: getattr(parents, name)[rows] for name in _ARRAYS}

    def fetch_inputs(self) -> Floats:
        """Send the inputs of the piece to its board; return when all have arrived, (M,).

        Inputs that come over one link come one after the other.
        """
        arrays, copies, rows, board = self._arrays, self._copies, self._rows, self._board
        arrival = copies["arrival"]
        ready, transfer_seconds = np.zeros((2, len(rows)))
        first_departure = np.full(len(rows), np.inf)
        for flow in np.flatnonzero(arrays.read_by[:, self._piece]):
            producer = arrays.problem.flows[flow].producer
            source = np.full_like(board, len(arrays.cores))
            if producer is not None:
                source = copies["placed"][:, producer]
            missing = np.isinf(arrival[rows, flow, board])
            departure = arrival[rows, flow, source]
            seconds = arrays.wire[flow] / np.minimum(arrays.up[source], arrays.down[board])
            received = departure + seconds + arrays.delay[source] + arrays.delay[board]
            received = np.where(missing, received, arrival[rows, flow, board])
            arrival[rows, flow, board] = received
            copies["up"][rows, source] += missing * arrays.wire[flow] / arrays.up[source]
            copies["down"][rows, board] += missing * arrays.wire[flow] / arrays.down[board]
            copies["held"][rows, board] += missing * arrays.held[flow]
            first_departure = np.where(
                missing, np.minimum(first_departure, departure), first_departure
            )
            transfer_seconds += missing * seconds
            ready = np.maximum(ready, received)
        in_turn = np.maximum(ready, first_departure + transfer_seconds)
        return np.where(transfer_seconds > 0, in_turn, ready)

    def run(self, ready: Floats) -> None:
        """Run the piece once its inputs are ready, (M,): time, memory, and what it produces."""
        arrays, copies, rows, board = self._arrays, self._copies, self._rows, self._board
        seconds, core_free = arrays.seconds[self._piece, board], copies["core_free"]
        copies["compute"][rows, board] += seconds / arrays.cores[board]
        copies["resident"][rows, board] += arrays.resident[self._piece]
        core = core_free[rows, board].argmin(axis=1)
        end = np.maximum(ready, core_free[rows, board, core]) + seconds
        copies["end"] = core_free[rows, board, core] = end
        for flow in np.flatnonzero(arrays.produced_by[:, self._piece]):
            copies["arrival"][rows, flow, board] = end
            copies["held"][rows, board] += arrays.held[flow]
            copies["up"][rows, board] += arrays.masks[flow] * arrays.wire[flow] / arrays.up[board]

    def result(self) -> PartialPlacements:
        """Return the extended placements."""
        placed = np.concatenate([self._copies["placed"], self._board[:, None]], axis=1)
        return PartialPlacements(self._arrays, **(self._copies | {"placed": placed}))


def allowed_boards(nodes: PartialPlacements, alike_before: list[int | None]) -> NDArray[np.bool_]:
    """Return which boards the next piece may go to, (N, B): of empty boards alike, the first.

    Parameters
    ----------
    nodes
        Partial placements.
    alike_before
        For each board, the last one before it of the same kind, or None.
    """
    boards = len(alike_before)
    used = (nodes.placed[:, :, None] == np.arange(boards)).any(axis=1)
    allowed = np.ones((len(nodes), boards), bool)
    for board, earlier in enumerate(alike_before):
        if earlier is not None:
            allowed[:, board] = used[:, earlier]
    return allowed
