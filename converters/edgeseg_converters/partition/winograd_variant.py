"""Cuts of a network whose probabilities may change a little, for fewer multiplications."""

from collections.abc import Callable
from dataclasses import replace

from edgeseg.errors import BudgetError, PlacementError, field_name
from edgeseg_converters.network import Network
from edgeseg_converters.partition.request import Cut, PartitionRequest
from edgeseg_converters.rewrite.winograd import (
    FEWER_PRODUCTS,
    FEWEST_CHANNELS,
    with_fewer_products,
)


def with_tolerance(
    network: Network, cut: Callable[[Network], Cut], request: PartitionRequest
) -> Cut:
    """Cut a network that takes fewer products if a tolerance is given.

    The cut of the network as it is stands by, and is returned where weights of a third more bytes
    keep to no budget or fit no board.

    Parameters
    ----------
    network
        Graph and weights.
    cut
        What a strategy makes of a network.
    request
        Its tolerance and precision count.

    Raises
    ------
    UsageError, BudgetError, PlacementError
        As the strategy does for the network as it is.
    """
    exact = cut(network)
    if request.tolerance is None:
        return exact
    if request.precision != "none":
        return exact.noted(f"{field_name('tolerance')} changes nothing: it is for float32")
    fewer = with_fewer_products(network)
    if fewer.graph == network.graph:
        return exact.noted(
            f"{field_name('tolerance')} changes nothing: no 3x3 convolution has {FEWEST_CHANNELS} "
            "channels and next to no zeros"
        )
    try:
        quick = cut(fewer)
    except (BudgetError, PlacementError) as error:
        return exact.noted(f"products are as many as without {field_name('tolerance')}: {error}")
    quick = replace(quick, tolerance=request.tolerance, otherwise=exact)
    return quick.noted(FEWER_PRODUCTS)
