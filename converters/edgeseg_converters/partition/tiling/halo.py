"""Decides tensor by tensor whether tiles compute their halo or get it from their neighbours."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from edgeseg.network.graph import Graph, Layer
from edgeseg.planning.problem.from_pieces import REFERENCE_FLOPS
from edgeseg_converters.fusion import fused_groups
from edgeseg_converters.layers.cost import layer_cost
from edgeseg_converters.layers.rows import RowMap, Rows
from edgeseg_converters.rewrite.row_maps import row_map, rows_of
from edgeseg_converters.rewrite.tiles import Tiling

COPIED = 4e9
"""Bytes a second that a core copies, where nothing was measured."""

MESSAGE = 3e-4
"""Seconds that a message takes beside those of its bytes and of the link's latency."""


@dataclass(frozen=True)
class Prices:
    """What rows cost.

    Attributes
    ----------
    flops
        FLOP/s of a core.
    link
        Bytes a second between boards.
    latency
        Seconds of the way from board to board.
    """

    flops: float = REFERENCE_FLOPS
    link: float = math.inf
    latency: float = 0.0


def divide(
    graph: Graph, span: frozenset[str], ways: int, prices: Prices, patience: float = 1.0
) -> Tiling:
    """Divide the rows of a span of layers into tiles.

    Each tensor is divided at the same share of its height, a whole number of rows of the
    coarsest one: what a tile pools, it owns. The graph is then walked backwards. The rows that
    the readers of a tensor need beyond those that a tile owns cost time wherever they come from:
    computing them takes what the layer takes for as many rows, and makes the halo of its own
    input deeper still; passing them on ends a piece and takes a message and some copies. Rows
    computed more than once are a debt, which a tensor hands to those it is made of; where it
    exceeds what passing on would take, the rows are passed on and the debt is gone. Two costs,
    one that grows with the square of the number of layers and one for each exchange, are least
    where they are equal.

    Parameters
    ----------
    graph
        The network.
    span
        Names of the layers to divide; whole groups of layers that TFLite fuses, of which every
        tensor has at least ``ways`` rows.
    ways
        Number of tiles.
    prices
        What computing and sending take.
    patience
        How many times the cost of an exchange the debt may reach; zero passes all halos on,
        infinity none.
    """
    return _Walk(graph, span, ways, prices, patience).tiling()


class _Walk:
    """The rows that each tensor must have, gathered on the way from the output to the image."""

    def __init__(
        self, graph: Graph, span: frozenset[str], ways: int, prices: Prices, patience: float
    ) -> None:
        self._graph, self._span, self._ways = graph, span, ways
        self._prices, self._patience = prices, patience
        self._row_seconds = _seconds_a_row(graph, prices)
        self._own = {name: rows for name, rows in _owned(graph, span, ways).items() if name in span}
        self._need: dict[str, tuple[Rows, ...]] = {}
        self._debt: dict[str, float] = {}

    def tiling(self) -> Tiling:
        for tensor in self._graph.outputs:
            self._need_whole(tensor)
        made: dict[str, tuple[Rows, ...]] = {}
        for layer in reversed(self._graph.layers):
            if layer.name not in self._span:
                for tensor in layer.inputs:
                    self._need_whole(tensor)
                continue
            made[layer.name] = self._made_rows(layer.name)
            rows = row_map(self._graph, layer)
            if isinstance(rows, RowMap):
                read = tuple(rows.align(rows.reads(tile)) for tile in made[layer.name])
                for tensor in layer.inputs:
                    if rows_of(self._graph.tensors[tensor].shape) == rows.height:
                        self._need_rows(tensor, read)
                        debt = self._debt.get(layer.name, 0.0)
                        self._debt[tensor] = max(self._debt.get(tensor, 0.0), debt)
                    else:
                        self._need_whole(tensor)
        return Tiling(self._ways, self._own, made, self._need)

    def _need_whole(self, tensor: str) -> None:
        """Note that a tensor is read as a whole: every tile gives the rows that it owns."""
        if tensor in self._span:
            self._need_rows(tensor, self._own[tensor])

    def _need_rows(self, tensor: str, rows: tuple[Rows, ...]) -> None:
        """Note that each tile reads some rows of a tensor."""
        before = self._need.get(tensor, rows)
        self._need[tensor] = tuple(a.hull(b) for a, b in zip(before, rows, strict=True))

    def _made_rows(self, tensor: str) -> tuple[Rows, ...]:
        """Decide which rows each tile computes of a tensor, and what that adds to the debt."""
        own, need = self._own[tensor], self._need[tensor]
        pairs = list(zip(own, need, strict=True))
        extra = max(0, *(needed.count - owned.count for owned, needed in pairs))
        debt = self._debt.get(tensor, 0.0) + extra * self._row_seconds.get(tensor, 0.0)
        missing = max(needed.count - owned.meet(needed).count for owned, needed in pairs)
        exchanged = missing and tensor in self._row_seconds
        if exchanged and debt >= self._patience * self._exchange(tensor, missing):
            self._debt[tensor] = 0.0
            return own
        self._debt[tensor] = debt
        return need

    def _exchange(self, tensor: str, rows: int) -> float:
        """Return the seconds to pass rows on, to leave a piece and to enter another."""
        shape = self._graph.tensors[tensor]
        row = shape.nbytes / shape.shape[1]
        own = max(owned.count for owned in self._own[tensor]) * row
        prices = self._prices
        return MESSAGE + prices.latency + rows * row / prices.link + 2 * own / COPIED


def seconds_of(graph: Graph, layer: Layer, flops: float = REFERENCE_FLOPS) -> float:
    """Estimate what a layer takes: its FLOPs, or its bytes where it does nothing but move them.

    Parameters
    ----------
    graph
        The graph that holds the tensors the layer reads.
    layer
        A layer of that graph.
    flops
        FLOP/s of a core.
    """
    work = layer_cost(graph, layer).flops
    return work / flops if work else layer.output.nbytes / COPIED


def _seconds_a_row(graph: Graph, prices: Prices) -> Mapping[str, float]:
    """Return what a row of each group's last tensor takes; rows are passed on nowhere else."""
    return {
        group[-1]: sum(seconds_of(graph, graph.layer(name), prices.flops) for name in group)
        / (rows_of(graph.tensors[group[-1]].shape) or 1)
        for group in fused_groups(graph)
    }


def _owned(graph: Graph, span: frozenset[str], ways: int) -> Mapping[str, tuple[Rows, ...]]:
    """Divide all tensors of a span at the same shares of their height."""
    heights = {name: rows_of(graph.tensors[name].shape) or 1 for name in span}
    coarsest = min(heights.values())
    edges = [_rounded(number * coarsest, ways) for number in range(ways + 1)]
    return {
        name: tuple(
            Rows(_rounded(start * height, coarsest), _rounded(stop * height, coarsest))
            for start, stop in itertools.pairwise(edges)
        )
        for name, height in heights.items()
    }


def _rounded(value: int, by: int) -> int:
    """Divide and round to the nearest whole number."""
    return (2 * value + by) // (2 * by)
