"""Row tiles with halo: several boards share each slice, for the shortest time a slice takes.

Where weights outweigh activations, as they do at a bottleneck, every tile would need all of them,
and read them for each slice; there channels may be divided instead. Source: Krizhevsky 2014, "One
weird trick for parallelizing convolutional neural networks", arXiv:1404.5997.
"""

from dataclasses import replace

from edgeseg.errors import BudgetError, UsageError
from edgeseg_converters.network import Network
from edgeseg_converters.partition.channel import TOLERANCE, in_branches
from edgeseg_converters.partition.request import Cut, PartitionRequest
from edgeseg_converters.partition.tiles import InTiles, in_tiles, tile_count


def data(network: Network, request: PartitionRequest) -> Cut:
    """Divide the rows of each image among boards that work on it together.

    For a slice to be done soon, where boards are as fast as each other and the network between
    them is not slow; to have many slices done, whole slices on each board are as good and
    simpler. A tile keeps its rows from layer to layer. The rows beyond its edge that
    convolutions reach for, its halo, it computes too or gets from its neighbours; see
    :func:`~edgeseg_converters.partition.halo.divide`. How much is divided is said by
    :func:`~edgeseg_converters.partition.tiles.in_tiles`.

    Heavy pairs of convolutions are divided by channels where a slice is predicted to be done
    sooner so: each branch, beside a tile, reads all rows and its share of the weights.

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
    rows = in_tiles(network, request, {})
    try:
        both = rows_and_channels(network, request)
    except (BudgetError, UsageError):
        return rows.cut
    return min(rows, both, key=lambda one: one.seconds).cut


def rows_and_channels(network: Network, request: PartitionRequest) -> InTiles:
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
    homes = {
        name: number % ways for number, names in enumerate(branched.branches) for name in names
    }
    made = in_tiles(branched.network, request, homes)
    notes = (*made.cut.notes, *branched.divided)
    return replace(made, cut=replace(made.cut, tolerance=TOLERANCE, notes=notes))
