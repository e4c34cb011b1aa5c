"""Strategies that cut a graph into pieces; each takes a graph and a request."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from edgeseg.graph import Graph
from edgeseg_converters.partition.adaptive import adaptive
from edgeseg_converters.partition.block import block
from edgeseg_converters.partition.complexity import METRICS
from edgeseg_converters.partition.layer import layer
from edgeseg_converters.partition.request import Partition, PartitionRequest

Strategy: TypeAlias = Callable[[Graph, PartitionRequest], Partition]

STRATEGIES: Mapping[str, Strategy] = {"adaptive": adaptive, "block": block, "layer": layer}

__all__ = ["METRICS", "STRATEGIES", "Partition", "PartitionRequest", "Strategy"]
