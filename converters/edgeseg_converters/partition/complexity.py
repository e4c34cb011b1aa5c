"""The complexity of a run of layers under each metric, and the check of a budget."""

from collections.abc import Callable, Iterable, Mapping

from edgeseg.errors import BudgetError, field_name
from edgeseg.network.graph import ITEM_SIZE, Graph
from edgeseg.text.units import format_bytes, format_count
from edgeseg_converters.layers.cost import graph_cost, peak_live_bytes
from edgeseg_converters.partition.request import Partition, PartitionRequest


def memory_bytes(graph: Graph) -> int:
    """Estimate the bytes of a piece: float32 weights, and the most activations alive at once."""
    return ITEM_SIZE["float32"] * graph.parameters + peak_live_bytes(graph)


METRICS: Mapping[str, Callable[[Graph], int]] = {
    "flops": lambda graph: graph_cost(graph).flops,
    "parameters": lambda graph: graph.parameters,
    "memory": memory_bytes,
}
"""Complexity of a piece; adding a layer never lowers it. Memory does not add up over pieces."""


def complexity(graph: Graph, run: Iterable[tuple[str, ...]], metric: str) -> int:
    """Return the complexity of the groups of a run as one piece."""
    return METRICS[metric](graph.subgraph("run", (name for group in run for name in group)))


def format_complexity(value: float, metric: str) -> str:
    """Write a complexity with its unit."""
    units = {"flops": "FLOPs", "parameters": "parameters"}
    return format_bytes(value) if metric == "memory" else f"{format_count(value)} {units[metric]}"


def check_budget(partition: Partition, request: PartitionRequest) -> Partition:
    """Return the partition if it keeps to the request.

    Raises
    ------
    BudgetError
        If a piece is too complex or there are too many pieces.
    """
    metric, bound, limit = request.metric, request.max_complexity, request.max_partitions
    if limit is not None and len(partition) > limit:
        raise BudgetError(
            f"this partition has {len(partition)} pieces and {field_name('max_partitions')} is "
            f"{limit}; allow {len(partition)} pieces or use {field_name('strategy')} adaptive"
        )
    for piece in partition:
        cost = METRICS[metric](piece)
        if bound is not None and cost > bound:
            raise BudgetError(
                f"{piece.name} ({piece.layers[0].name} to {piece.layers[-1].name}) needs "
                f"{format_complexity(cost, metric)}, {format_complexity(cost - bound, metric)} more"
                f" than {field_name('max_complexity')}; raise it or use {field_name('strategy')} "
                "adaptive"
            )
    return partition


def keeps_budget(partition: Partition, request: PartitionRequest) -> bool:
    """Tell whether the partition keeps to the request."""
    try:
        check_budget(partition, request)
    except BudgetError:
        return False
    return True
