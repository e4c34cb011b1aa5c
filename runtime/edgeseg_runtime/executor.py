"""Which piece fires next: dataflow over slices, oldest slice first. No threads, no sockets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgeseg.errors import WireError
from edgeseg.manifest import Piece, Port
from edgeseg_runtime.wire import Job, Routes

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Firing:
    """A piece whose inputs for one slice are all there."""

    job: Job
    piece: Piece
    inputs: Arrays


class Executor:
    """Holds the tensors of the slices in flight on one board and says what can run.

    Invariants:

    - a tensor is held from its arrival until its last reader on this board has fired;
    - a piece fires once a slice, when every tensor that it reads is held;
    - of several pieces that may fire, the one of the oldest slice goes first, and within a
      slice the one that stands first in the partition.

    Parameters
    ----------
    pieces
        The pieces of this board by name, in the order of the partition.
    routes
        Which of them run in each lane.
    """

    def __init__(self, pieces: Mapping[str, Piece], routes: Mapping[int, Routes]) -> None:
        self._pieces = pieces
        self._lanes = {
            lane: tuple(piece for name, piece in pieces.items() if name in route.pieces)
            for lane, route in routes.items()
        }
        self._held: dict[int, Arrays] = {}
        self._jobs: dict[int, Job] = {}
        self._fired: dict[int, set[str]] = {}

    @property
    def held_bytes(self) -> int:
        """Size of all tensors held."""
        return sum(array.nbytes for held in self._held.values() for array in held.values())

    def reads(self, lane: int, tensor: str) -> bool:
        """Tell whether a piece here reads the tensor in that lane."""
        return self._port(lane, tensor) is not None

    def offer(self, job: Job, tensor: str, array: NDArray[Any]) -> None:
        """Take in a tensor of a slice.

        Raises
        ------
        WireError
            If no piece here reads it in that lane, or its shape is not what is read.
        """
        port = self._port(job.lane, tensor)
        if port is None:
            raise WireError(f"no piece here reads {tensor} in lane {job.lane}")
        if array.shape != port.shape:
            raise WireError(f"{tensor} has shape {array.shape}, {port.shape} is read")
        self._jobs[job.slice] = job
        self._held.setdefault(job.slice, {})[tensor] = array
        self._fired.setdefault(job.slice, set())

    def _port(self, lane: int, tensor: str) -> Port | None:
        pieces = self._lanes.get(lane, ())
        ports = (port for piece in pieces for port in piece.inputs if port.tensor == tensor)
        return next(ports, None)

    def next(self, idle: frozenset[str]) -> Firing | None:
        """Return the firing that goes next among idle pieces, and mark it as fired."""
        for slice_index in sorted(self._jobs):
            job, held = self._jobs[slice_index], self._held[slice_index]
            for piece in self._lanes[job.lane]:
                if piece.name in idle and piece.name not in self._fired[slice_index]:
                    inputs = {p.tensor: held[p.tensor] for p in piece.inputs if p.tensor in held}
                    if len(inputs) == len(piece.inputs):
                        self._fire(job, piece)
                        return Firing(job, piece, inputs)
        return None

    def _fire(self, job: Job, piece: Piece) -> None:
        fired, held = self._fired[job.slice], self._held[job.slice]
        fired.add(piece.name)
        waiting = [other for other in self._lanes[job.lane] if other.name not in fired]
        wanted = {port.tensor for other in waiting for port in other.inputs}
        for tensor in set(held) - wanted:
            del held[tensor]
        if not waiting:
            del self._jobs[job.slice], self._held[job.slice], self._fired[job.slice]
