"""One piece for each encoder or decoder block, found where the resolution changes."""

from collections.abc import Iterator
from math import prod
from typing import Literal

from edgeseg.network.graph import Graph
from edgeseg_converters.fusion import fused_groups
from edgeseg_converters.partition.complexity import check_budget
from edgeseg_converters.partition.request import Partition, PartitionRequest, pieces_of

_IMAGE_AXES = 4
_FACTOR = 2
"""Least change of the number of pixels that counts; an unpadded convolution trims less."""


def block(graph: Graph, request: PartitionRequest) -> Partition:
    """Cut after pooling, before strided convolutions and before every enlargement.

    Layers that change the resolution one after the other stay together, so that each block
    computes something at a resolution of its own.

    Raises
    ------
    BudgetError
        If the blocks do not keep to the request.
    """
    return check_budget(pieces_of(graph, blocks(graph)), request)


def blocks(graph: Graph) -> Iterator[list[tuple[str, ...]]]:
    """Yield the groups of layers that make each block, in topological order."""
    block: list[tuple[str, ...]] = []
    computes = False
    for group in fused_groups(graph):
        role = _role(graph, group)
        if computes and role == "opens":
            yield block
            block, computes = [], False
        block.append(group)
        computes = computes or role == "computes"
        if computes and role == "closes":
            yield block
            block, computes = [], False
    if block:
        yield block


def _role(graph: Graph, group: tuple[str, ...]) -> Literal["opens", "closes", "computes"]:
    """Say whether a group opens a block or closes one by changing the resolution."""
    sources = graph.layer(group[0]).inputs
    before = _pixels(graph, sources[0])
    after = _pixels(graph, group[-1])
    if len(sources) > 1 or before is None or after is None:
        return "computes"
    if after >= _FACTOR * before:
        return "opens"
    if before < _FACTOR * after:
        return "computes"
    return "opens" if any(graph.layer(name).weights for name in group) else "closes"


def _pixels(graph: Graph, tensor: str) -> int | None:
    """Count the pixels of a feature map; a vector, or a map of one pixel, has no resolution."""
    shape = graph.tensors[tensor].shape
    pixels = prod(shape[1:-1])
    return pixels if len(shape) == _IMAGE_AXES and pixels > 1 else None
