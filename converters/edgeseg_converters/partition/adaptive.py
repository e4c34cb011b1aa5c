"""Algorithm I of Rao et al. 2023 (doi 10.20944/preprints202308.0888.v1): adaptive partitioning."""

from typing import TypeAlias

from edgeseg.errors import BudgetError, field_name
from edgeseg.network.graph import Graph
from edgeseg_converters.fusion import fused_groups
from edgeseg_converters.partition.complexity import complexity, format_complexity
from edgeseg_converters.partition.request import Partition, PartitionRequest, pieces_of

DEFAULT_PARTITIONS = 4

LayerRun: TypeAlias = list[tuple[str, ...]]
"""Consecutive groups of layers."""


def adaptive(graph: Graph, request: PartitionRequest) -> Partition:
    """Close a piece once it has its share of the complexity, layer after layer (Algorithm I).

    The share is the total complexity divided by the number of partitions. The printed algorithm
    names a maximum complexity and never uses it; here no piece exceeds it, and where no number
    of partitions is given it sets that number. The walk goes by the groups of layers that TFLite
    fuses. Where it ends in more pieces than allowed, pieces are filled up to the bound instead,
    which takes the fewest.

    Raises
    ------
    BudgetError
        If one group alone exceeds the bound, or the allowed pieces can't hold the model.
    """
    groups, metric = fused_groups(graph), request.metric
    total = max(1, complexity(graph, groups, metric))
    bound = request.max_complexity or total
    _check_groups(graph, groups, metric, bound)
    count = request.max_partitions or _default_count(total, request.max_complexity)
    limit = request.max_partitions or len(groups)
    runs = _walk(graph, groups, metric, threshold=-(-total // count), bound=bound, limit=limit)
    if len(runs) > limit:
        runs = _walk(graph, groups, metric, threshold=bound, bound=bound, limit=len(groups))
    if len(runs) > limit:
        raise BudgetError(
            f"{limit} pieces of at most {format_complexity(bound, metric)} can't hold the model, "
            f"it takes {len(runs)}; raise {field_name('max_partitions')} or "
            f"{field_name('max_complexity')}"
        )
    return pieces_of(graph, runs)


def _default_count(total: int, max_complexity: int | None) -> int:
    return -(-total // max_complexity) if max_complexity else DEFAULT_PARTITIONS


def _walk(  # noqa: PLR0913 - the algorithm's own quantities
    graph: Graph,
    groups: tuple[tuple[str, ...], ...],
    metric: str,
    *,
    threshold: int,
    bound: int,
    limit: int,
) -> list[LayerRun]:
    """Close a piece at the threshold, but not the last one, and before it exceeds the bound."""
    runs: list[LayerRun] = []
    full = True
    for group in groups:
        if full or complexity(graph, [*runs[-1], group], metric) > bound:
            runs.append([])
        runs[-1].append(group)
        full = len(runs) < limit and complexity(graph, runs[-1], metric) >= threshold
    return runs


def _check_groups(
    graph: Graph, groups: tuple[tuple[str, ...], ...], metric: str, bound: int
) -> None:
    """Refuse a bound that one group alone exceeds; the error names the worst."""
    group = max(groups, key=lambda group: complexity(graph, [group], metric))
    cost = complexity(graph, [group], metric)
    if cost > bound:
        names = " + ".join(group)
        raise BudgetError(
            f"layer {names} alone needs {format_complexity(cost, metric)}, "
            f"{format_complexity(cost - bound, metric)} more than {field_name('max_complexity')} "
            f"{format_complexity(bound, metric)}; raise it"
        )
