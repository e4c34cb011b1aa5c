"""Cuts of a network whose probabilities may change a little, for fewer multiplications."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from edgeseg.errors import BudgetError, PlacementError, field_name
from edgeseg_converters.network import Network
from edgeseg_converters.partition.request import Cut, PartitionRequest
from edgeseg_converters.rewrite.winograd import (
    MIN_CHANNELS,
    WINOGRAD_NOTE,
    to_winograd,
)


def with_tolerance(
    network: Network, cut: Callable[[Network], Cut], request: PartitionRequest
) -> Cut:
    """Cut a network that takes fewer products if a tolerance is given.

    The cut of the network as it is stands by: it is made where the check asks for it, or where
    weights of a third more bytes keep to no budget or fit no board.

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
        As the strategy does; of the two networks only where it refuses both.
    """
    if request.tolerance is None:
        return cut(network)
    if request.precision != "none":
        return cut(network).noted(float32_alone())
    rewritten = to_winograd(network)
    if rewritten.graph == network.graph:
        return cut(network).noted(
            f"{field_name('tolerance')} changes nothing: no 3x3 convolution has {MIN_CHANNELS} "
            "channels and next to no zeros"
        )
    try:
        quick = cut(rewritten)
    except (BudgetError, PlacementError) as error:
        return cut(network).noted(
            f"products are as many as without {field_name('tolerance')}: {error}"
        )
    return replace(quick, tolerance=request.tolerance, otherwise=partial(cut, network)).noted(
        WINOGRAD_NOTE
    )


def float32_alone() -> str:
    """Return the note on a tolerance that is given for pieces of another precision."""
    return f"{field_name('tolerance')} changes nothing: it is for float32"
