"""Steps: what one thread does with a slice without a break, a piece or several in turn."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from edgeseg.bundle.manifest import Piece
from edgeseg_runtime.messaging.wire import Assignment


@dataclass(frozen=True)
class Step:
    """Pieces that one thread runs one after the other on a slice; named after the first."""

    pieces: tuple[Piece, ...]

    @property
    def name(self) -> str:
        """Name of the first piece."""
        return self.pieces[0].name

    @cached_property
    def reads(self) -> frozenset[str]:
        """Names of the tensors that the pieces read and none of them writes."""
        written = {port.tensor for piece in self.pieces for port in piece.outputs}
        return frozenset(p.tensor for piece in self.pieces for p in piece.inputs) - written


def steps_of(assignment: Assignment) -> dict[str, Step]:
    """Return the steps of a board by name, in the order of the partition.

    A step is a piece, or a group of pieces where groups share the memory over time.
    """
    pieces = {piece.name: piece for piece in assignment.pieces}
    groups = assignment.shifts or tuple((name,) for name in pieces)
    steps = (Step(tuple(pieces[name] for name in group)) for group in groups)
    return {step.name: step for step in steps}


def reader_counts(steps: Iterable[Step]) -> Mapping[str, int]:
    """Return how many of the steps read each tensor, by its name."""
    counts: dict[str, int] = {}
    for step in steps:
        for tensor in step.reads:
            counts[tensor] = counts.get(tensor, 0) + 1
    return counts
