"""The request for a partition, and the cut that a strategy returns."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import msgspec

from edgeseg.boards.boards_file import BoardsFile
from edgeseg.network.graph import Graph
from edgeseg.progress import Progress, silent
from edgeseg_converters.network import Network
from edgeseg_converters.rewrite.bands import Banding

Partition: TypeAlias = tuple[Graph, ...]
"""Pieces in an order in which each reads only the image and outputs of pieces before it."""

DEFAULT_WAYS = 2
"""Parts that a span is divided into where neither ways nor boards are given."""


@dataclass(frozen=True, slots=True)
class PartitionRequest:
    """Budget of a partition.

    Attributes
    ----------
    metric
        What complexity means: ``flops``, ``parameters`` or ``memory`` (bytes).
    max_complexity
        No piece may exceed it.
    max_partitions
        There may be no more pieces.
    ways
        How many branches or tiles a span is divided into, where the strategy divides spans.
    boards
        What the pieces are for, where it is known.
    precision
        What the pieces will compute in: ``none`` (float32), ``float16``, ``dynamic`` or ``int8``.
    max_activations
        Bytes that may be alive at once within a piece, as float32; those with more run in bands.
    tolerance
        How far a float32 probability may be from the uncut network's, where that is said.
    fewer_products
        Whether a strategy may let convolutions take fewer products than the network has.
    progress
        Told how far a search for cuts is.
    """

    metric: str = "flops"
    max_complexity: int | None = None
    max_partitions: int | None = None
    ways: int | None = None
    boards: BoardsFile | None = None
    precision: str = "none"
    max_activations: int | None = None
    tolerance: float | None = None
    fewer_products: bool = True
    progress: Progress = field(default=silent, compare=False, repr=False)

    @property
    def parts(self) -> int:
        """How many parts a span is divided into: the ways, else one a board, else two."""
        if self.ways is not None:
            return self.ways
        return DEFAULT_WAYS if self.boards is None else len(self.boards.board)


class Alternative(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy that ``auto`` tried, and what its pieces are predicted to do on the boards.

    Attributes
    ----------
    chosen
        Whether the pieces are those of this strategy.
    reason
        Why it was out of the question; the figures are then None.
    placement
        How its pieces are best placed: ``whole``, ``contiguous``, ``folded`` or ``mixed``.
    largest_memory_bytes
        Of the board that needs most.
    crossing_bytes
        Of the tensors between pieces, each counted once.
    """

    strategy: str
    chosen: bool = False
    reason: str | None = None
    placement: str | None = None
    pieces: int | None = None
    slices_per_second: float | None = None
    latency_seconds: float | None = None
    largest_memory_bytes: int | None = None
    crossing_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """A network cut into pieces.

    Attributes
    ----------
    network
        The one that was asked for, or one that computes the same with more layers.
    pieces
        They chain to the network's output.
    tolerance
        How far the pieces' float32 output may be from the uncut network's: zero where they
        compute the very same bits.
    notes
        What the user should know, a line each.
    comparison
        The strategies that were looked at, where there were several.
    bandings
        Of the pieces that run in bands, by name.
    otherwise
        Makes the cut to compile instead where the output turns out to be further off than
        ``tolerance``; None where nothing stands by.
    """

    network: Network
    pieces: Partition
    tolerance: float = 0.0
    notes: tuple[str, ...] = ()
    comparison: tuple[Alternative, ...] = ()
    bandings: Mapping[str, Banding] = field(default_factory=dict)
    otherwise: "Callable[[], Cut] | None" = None

    def noted(self, *notes: str) -> "Cut":
        """Return the same cut with more for the user to know."""
        return replace(self, notes=(*self.notes, *notes))


CutFunction: TypeAlias = Callable[[Network, PartitionRequest], Cut]
"""Cuts a network as a request asks, or raises an :class:`~edgeseg.errors.EdgesegError`."""


def piece_name(number: int) -> str:
    """Name a piece by its place in the partition."""
    return f"piece_{number:02d}"


def pieces_of(graph: Graph, runs: Iterable[Iterable[tuple[str, ...]]]) -> Partition:
    """Name each run of groups and cut it out as a piece."""
    return tuple(
        graph.subgraph(piece_name(index), (name for group in run for name in group))
        for index, run in enumerate(runs)
    )
