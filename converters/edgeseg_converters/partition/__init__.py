"""Strategies that cut a network into pieces; each takes a network and a request."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

from edgeseg.network.graph import Graph
from edgeseg_converters.network import Network
from edgeseg_converters.partition.adaptive import adaptive
from edgeseg_converters.partition.auto import auto
from edgeseg_converters.partition.banded import banded
from edgeseg_converters.partition.block import block
from edgeseg_converters.partition.channel import channel
from edgeseg_converters.partition.complexity import METRICS
from edgeseg_converters.partition.layer import layer
from edgeseg_converters.partition.optimal import optimal
from edgeseg_converters.partition.request import Alternative, Cut, Partition, PartitionRequest
from edgeseg_converters.partition.tiling.rows import data
from edgeseg_converters.partition.winograd_variant import with_tolerance

Strategy: TypeAlias = Callable[[Network, PartitionRequest], Cut]


def _as_it_is(partition: Callable[[Graph, PartitionRequest], Partition]) -> Strategy:
    """Make a strategy of one that only chooses where to cut."""
    return lambda network, request: Cut(network, partition(network.graph, request))


CANDIDATES: Mapping[str, Strategy] = {
    "adaptive": _as_it_is(adaptive),
    "block": _as_it_is(block),
    "layer": _as_it_is(layer),
    "optimal": optimal,
    "data": partial(data, fewer_products=False),
    "channel": channel,
}
"""What ``auto`` tries; all compute the same products."""

STRATEGIES: Mapping[str, Strategy] = {
    **CANDIDATES,
    "data": data,
    "auto": partial(auto, candidates=CANDIDATES),
}


def cut_network(network: Network, strategy: str, request: PartitionRequest) -> Cut:
    """Cut a network by a strategy, and its pieces further where their activations ask for it.

    Raises
    ------
    UsageError, BudgetError, PlacementError
        As the strategy does.
    """

    def cut(network: Network) -> Cut:
        return banded(STRATEGIES[strategy](network, request), request)

    return with_tolerance(network, cut, request) if strategy in QUICKENED else cut(network)


QUICKENED = frozenset({"adaptive", "block", "layer", "optimal", "auto"})
"""Strategies whose network takes fewer products for a tolerance; ``data`` sees to it itself."""

DIVIDING = frozenset({"data", "channel", "auto"})
"""Strategies that divide spans of layers, and so heed the number of ways."""

TOLERANT = frozenset({*QUICKENED, "data"})
"""Strategies that heed a tolerance."""

PLACING = frozenset({"optimal", "data", "channel", "auto"})
"""Strategies that look at the boards."""

__all__ = [
    "CANDIDATES",
    "DIVIDING",
    "METRICS",
    "PLACING",
    "STRATEGIES",
    "TOLERANT",
    "Alternative",
    "Cut",
    "Partition",
    "PartitionRequest",
    "Strategy",
    "adaptive",
    "cut_network",
]
