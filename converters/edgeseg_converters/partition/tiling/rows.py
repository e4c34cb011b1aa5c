"""Row tiles with halo: several boards share each slice, for the shortest time a slice takes.

Where weights outweigh activations, as they do at a bottleneck, every tile would need all of them,
and read them for each slice; there channels may be divided instead. Source: Krizhevsky 2014, "One
weird trick for parallelizing convolutional neural networks", arXiv:1404.5997.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

from edgeseg.errors import BudgetError, UsageError
from edgeseg_converters.network import Network
from edgeseg_converters.partition.channel import in_branches
from edgeseg_converters.partition.request import Cut, PartitionRequest
from edgeseg_converters.partition.tiling.tiles import InTiles, in_tiles, tile_count
from edgeseg_converters.partition.winograd_variant import float32_alone
from edgeseg_converters.rewrite.winograd import WINOGRAD_NOTE, to_winograd


def data(network: Network, request: PartitionRequest) -> Cut:
    """Divide the rows of each image among boards that work on it together.

    For a slice to be done soon, where boards are as fast as each other and the network between
    them is not slow; to have many slices done, whole slices on each board are as good and
    simpler. A tile keeps its rows from layer to layer. The rows beyond its edge that
    convolutions reach for, its halo, it computes too or gets from its neighbours; see
    :func:`~edgeseg_converters.partition.tiling.halo.divide`. How much is divided is said by
    :func:`~edgeseg_converters.partition.tiling.tiles.in_tiles`.

    Heavy pairs of convolutions are divided by channels where a slice is predicted to be done
    sooner so: each branch, beside a tile, reads all rows and its share of the weights. Float32
    convolutions of many channels take fewer multiplications where the boards have the memory and
    ``request.fewer_products`` lets them. Both change the last bits; the rows alone, which do not,
    stand by in case of more than that.

    Parameters
    ----------
    network
        Graph and weights.
    request
        ``ways`` is the number of tiles; the number of boards where it is None, else 2.

    Raises
    ------
    UsageError
        If there are less than two tiles, more tiles than rows, or no rows that can be divided.
    BudgetError
        If no division keeps to the request.
    """
    exact = in_tiles(network, request, {})
    others = [*_with_channels(network, request)]
    if request.fewer_products and request.precision == "none":
        others += _with_fewer_products(network, request)
    best = min((exact, *others), key=lambda tiled: (not tiled.fits, tiled.seconds))
    cut = best.cut if best is exact else replace(best.cut, otherwise=lambda: exact.cut)
    useless = request.tolerance is not None and request.precision != "none"
    return cut.noted(float32_alone()) if useless else cut


def _with_channels(network: Network, request: PartitionRequest) -> Iterator[InTiles]:
    with suppress(BudgetError, UsageError):
        yield rows_and_channels(network, request)


def _with_fewer_products(network: Network, request: PartitionRequest) -> Iterator[InTiles]:
    """Yield divisions of the network with fewer products, those that fit the boards."""
    rewritten = to_winograd(network)
    if rewritten.graph == network.graph:
        return
    for divide in (
        partial(in_tiles, rewritten, request, {}),
        partial(rows_and_channels, network, request, fewer_products=True),
    ):
        with suppress(BudgetError, UsageError):
            tiled = divide()
            if tiled.fits:
                yield _noted(tiled, WINOGRAD_NOTE)


def rows_and_channels(
    network: Network, request: PartitionRequest, *, fewer_products: bool = False
) -> InTiles:
    """Divide heavy pairs of convolutions over branches, and the rows of the rest among tiles.

    The pairs are those of :func:`~edgeseg_converters.partition.channel.channel`. There are as many
    branches as tiles, and the sum behind the branches is divided by rows again.

    Raises
    ------
    UsageError
        If there is nothing to divide by rows, or no pair worth dividing by channels.
    BudgetError
        If the pieces do not keep to the request.
    """
    ways = tile_count(network.graph, request)
    branched = in_branches(network, ways)
    tile_of = {
        name: number % ways for number, names in enumerate(branched.branches) for name in names
    }
    divided = to_winograd(branched.network) if fewer_products else branched.network
    return _noted(in_tiles(divided, request, tile_of), *branched.divided)


def _noted(tiled: InTiles, *notes: str) -> InTiles:
    return replace(tiled, cut=tiled.cut.noted(*notes))
