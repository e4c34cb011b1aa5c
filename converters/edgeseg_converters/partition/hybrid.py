"""Rows divided at the fine end, channels at the coarse one: every board has its share of both.

For networks like the paper's, whose activations fill a board at the fine end and whose weights do
at the bottleneck, on boards as fast as each other: row tiles alone would put all weights on every
board, which also has to read them for each slice. Source: Krizhevsky 2014, "One weird trick for
parallelizing convolutional neural networks", arXiv:1404.5997, which divides data where
activations weigh more, and the model where weights do.
"""

from dataclasses import replace

from edgeseg_converters.network import Network
from edgeseg_converters.partition.channel import TOLERANCE, in_branches
from edgeseg_converters.partition.data import beside, tile_count
from edgeseg_converters.partition.request import Cut, PartitionRequest


def hybrid(network: Network, request: PartitionRequest) -> Cut:
    """Divide heavy pairs of convolutions over branches, and the rows of the rest among tiles.

    The pairs are those of :func:`~edgeseg_converters.partition.channel.channel`, the rows those
    of :func:`~edgeseg_converters.partition.data.data`. There are as many branches as tiles, each
    branch runs beside a tile, and the sum behind the branches is divided by rows again.

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
    cut = beside(branched.network, request, homes)
    return replace(cut, tolerance=TOLERANCE, notes=(*cut.notes, *branched.divided))
