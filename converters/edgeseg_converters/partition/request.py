"""What a partition is asked for, and what it is."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from edgeseg.boards import BoardsFile
from edgeseg.graph import Graph
from edgeseg_converters.network import Network

Partition: TypeAlias = tuple[Graph, ...]
"""Pieces in an order in which each reads only the image and what pieces before it made."""


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
    """

    metric: str = "flops"
    max_complexity: int | None = None
    max_partitions: int | None = None
    ways: int | None = None
    boards: BoardsFile | None = None


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
    """

    network: Network
    pieces: Partition
    tolerance: float = 0.0
    notes: tuple[str, ...] = ()


def pieces_of(graph: Graph, runs: Iterable[Iterable[tuple[str, ...]]]) -> Partition:
    """Name each run of groups and cut it out as a piece."""
    return tuple(
        graph.subgraph(f"piece_{index:02d}", (name for group in run for name in group))
        for index, run in enumerate(runs)
    )
