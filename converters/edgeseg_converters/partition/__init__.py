"""Strategies that cut a network into pieces; each takes a network and a request."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from edgeseg.graph import Graph
from edgeseg_converters.network import Network
from edgeseg_converters.partition.adaptive import adaptive
from edgeseg_converters.partition.block import block
from edgeseg_converters.partition.complexity import METRICS
from edgeseg_converters.partition.layer import layer
from edgeseg_converters.partition.request import Cut, Partition, PartitionRequest

Strategy: TypeAlias = Callable[[Network, PartitionRequest], Cut]


def _as_it_is(partition: Callable[[Graph, PartitionRequest], Partition]) -> Strategy:
    """Make a strategy of one that only chooses where to cut."""
    return lambda network, request: Cut(network, partition(network.graph, request))


STRATEGIES: Mapping[str, Strategy] = {
    "adaptive": _as_it_is(adaptive),
    "block": _as_it_is(block),
    "layer": _as_it_is(layer),
}

__all__ = ["METRICS", "STRATEGIES", "Cut", "Partition", "PartitionRequest", "Strategy", "adaptive"]
