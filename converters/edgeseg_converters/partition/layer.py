"""One piece for each layer, or rather for each group of layers that TFLite fuses."""

from edgeseg.network.graph import Graph
from edgeseg_converters.fusion import fused_groups
from edgeseg_converters.partition.complexity import check_budget
from edgeseg_converters.partition.request import Partition, PartitionRequest, pieces_of


def layer(graph: Graph, request: PartitionRequest) -> Partition:
    """Cut wherever a cut is possible: the finest partition.

    Raises
    ------
    BudgetError
        If the finest partition does not keep to the request.
    """
    return check_budget(pieces_of(graph, ((group,) for group in fused_groups(graph))), request)
