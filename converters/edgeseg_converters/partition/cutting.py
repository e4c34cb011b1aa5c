"""Cuts a network as it is asked for: by a strategy, within a tolerance, and in bands of rows."""

from dataclasses import replace

from edgeseg_converters.network import Network
from edgeseg_converters.partition.banded import banded
from edgeseg_converters.partition.registry import strategies
from edgeseg_converters.partition.request import Cut, PartitionRequest
from edgeseg_converters.partition.winograd_variant import with_tolerance


def cut_network(network: Network, strategy: str, request: PartitionRequest) -> Cut:
    """Cut a network by a strategy, and its pieces further where their activations ask for it.

    Parameters
    ----------
    network
        Graph and weights.
    strategy
        The name of a row of :func:`~edgeseg_converters.partition.registry.strategies`.
    request
        Budget, boards, ways and tolerance.

    Raises
    ------
    UsageError, BudgetError, PlacementError
        As the strategy does.
    """
    row = strategies()[strategy]
    rewritten_before = row.tolerant and not row.rewrites
    strategy_request = replace(request, fewer_products=False) if rewritten_before else request

    def cut(network: Network) -> Cut:
        return banded(row.cut(network, strategy_request), request)

    return with_tolerance(network, cut, request) if rewritten_before else cut(network)
