"""What a partition is asked for, and what it is."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from edgeseg.graph import Graph

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
    """

    metric: str = "flops"
    max_complexity: int | None = None
    max_partitions: int | None = None


def pieces_of(graph: Graph, runs: Iterable[Iterable[tuple[str, ...]]]) -> Partition:
    """Name each run of groups and cut it out as a piece."""
    return tuple(
        graph.subgraph(f"piece_{index:02d}", (name for group in run for name in group))
        for index, run in enumerate(runs)
    )
