"""Row tiles with halo: which layers are divided, and where halos are passed on."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgeseg.errors import UsageError, field_name
from edgeseg.network.graph import ITEM_SIZE, Graph
from edgeseg.planning.outcome.latency import latencies
from edgeseg.planning.outcome.load import loads_of
from edgeseg.planning.problem.from_pieces import REFERENCE_FLOPS
from edgeseg.planning.problem.problem import Problem
from edgeseg_converters.fusion import fused_groups
from edgeseg_converters.layers.cost import graph_cost
from edgeseg_converters.layers.kind import Fusion
from edgeseg_converters.layers.registry import kind_of
from edgeseg_converters.network import Network
from edgeseg_converters.partition.complexity import check_budget, keeps_budget
from edgeseg_converters.partition.estimate import estimate
from edgeseg_converters.partition.request import Cut, Partition, PartitionRequest, pieces_of
from edgeseg_converters.partition.tiling.halo import COPIED, MESSAGE, Prices, divide, seconds_of
from edgeseg_converters.rewrite.row_maps import row_map, rows_of
from edgeseg_converters.rewrite.tiles import Place, Tiled, tile_rows

TOLERANCE = 1e-6
"""Bound on the difference of a probability, where the request has none."""

_PATIENCE = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, float("inf"))
"""Values of ``patience`` of :func:`divide` that are compared."""


@dataclass(frozen=True)
class _TilingCandidate:
    """A way to divide the rows, and the seconds that a slice would take."""

    tiled: Tiled
    pieces: Partition
    seconds: float
    fits: bool
    note: str


@dataclass(frozen=True)
class InTiles:
    """A network cut into tiles.

    Attributes
    ----------
    seconds
        What a slice is predicted to take with a board for each tile.
    fits
        Whether those boards have the memory.
    """

    cut: Cut
    seconds: float
    fits: bool


def in_tiles(network: Network, request: PartitionRequest, tile_of: Mapping[str, int]) -> InTiles:
    """Divide the rows of all layers but those of ``tile_of``, which run whole beside a tile.

    Divided is everything at the fine end of the network: groups of layers whose rows can be
    divided and that touch a tensor of at least so many rows. What is coarser, or needs all rows
    at once, runs whole between the tiles. How fine, and how long rows are computed more than
    once before they are passed on, is decided by the time that a slice is predicted to take; of
    those that keep to the request, the shortest is taken.

    Parameters
    ----------
    network, request
        As for :func:`~edgeseg_converters.partition.tiling.rows.data`.
    tile_of
        The tile beside which each of these layers runs, by name.

    Raises
    ------
    UsageError
        If there are less than two tiles, more tiles than rows, or no rows that can be divided.
    BudgetError
        If no division keeps to the request.
    """
    ways = tile_count(network.graph, request)
    candidates = sorted(
        _candidates(network, ways, request, tile_of), key=lambda candidate: candidate.seconds
    )
    within_budget = (
        candidate for candidate in candidates if keeps_budget(candidate.pieces, request)
    )
    chosen = next(within_budget, candidates[0])
    pieces = check_budget(chosen.pieces, request)
    tolerance = TOLERANCE if request.tolerance is None else request.tolerance
    cut = Cut(chosen.tiled.network, pieces, tolerance, (chosen.note,))
    return InTiles(cut, chosen.seconds, chosen.fits)


def tile_count(graph: Graph, request: PartitionRequest) -> int:
    """Return the number of tiles that the request means.

    Raises
    ------
    UsageError
        If it is less than two, or more than there are rows.
    """
    ways = request.parts
    rows = rows_of(graph.inputs[0].shape) or 1
    if ways < 2:
        raise UsageError(
            f"rows can't be divided into {ways} tiles; ask for at least 2 ({field_name('ways')})"
        )
    if ways > rows:
        raise UsageError(
            f"{ways} tiles are more than the image's {rows} rows; ask for at most {rows} "
            f"({field_name('ways')})"
        )
    return ways


def _candidates(
    network: Network, ways: int, request: PartitionRequest, tile_of: Mapping[str, int]
) -> Iterator[_TilingCandidate]:
    graph = network.graph
    spans = _spans(graph, ways, tile_of.keys())
    prices = _prices(estimate((graph,), request))
    for rows, span in spans:
        tilings = (divide(graph, span, ways, prices, patience) for patience in _PATIENCE)
        distinct = {str(tiling.computed): tiling for tiling in tilings}
        for tiling in distinct.values():
            tiled = tile_rows(network, replace(tiling, homes=tile_of))
            pieces = _pieces(tiled)
            seconds, fits = _on_boards(pieces, ways, request, tiled)
            note = (
                f"rows are divided into {ways} tiles in {len(span)} of {len(graph.layers)} layers, "
                f"those that touch tensors of {rows} rows or more"
            )
            yield _TilingCandidate(tiled, pieces, seconds, fits, note)


def _spans(
    graph: Graph, ways: int, whole: Collection[str] = ()
) -> list[tuple[int, frozenset[str]]]:
    """List what can be divided, by the fewest rows of the finest tensor that a group touches."""
    reasons = {}
    finest: dict[tuple[str, ...], int] = {}
    for group in (group for group in fused_groups(graph) if group[-1] not in whole):
        reason = next(filter(None, (_obstacle(graph, name, ways) for name in group)), None)
        if reason is not None:
            reasons[group] = reason
            continue
        touched = {*group, *(tensor for name in group for tensor in graph.layer(name).inputs)}
        finest[group] = max(rows_of(graph.tensors[tensor].shape) or 1 for tensor in touched)
    spans = [
        (
            rows,
            frozenset(
                name
                for group, finest_rows in finest.items()
                if finest_rows >= rows
                for name in group
            ),
        )
        for rows in sorted(set(finest.values()))
    ]
    useful = [(rows, span) for rows, span in spans if graph_cost(graph.subgraph("", span)).flops]
    if not useful:
        group, reason = next(iter(reasons.items()))
        raise UsageError(f"no rows can be divided: {reason}; use another {field_name('strategy')}")
    return useful


def _obstacle(graph: Graph, name: str, ways: int) -> str | None:
    """Return why a layer's rows can't be divided; None if they can."""
    layer = graph.layer(name)
    reads = row_map(graph, layer)
    if isinstance(reads, str):
        return f"layer {name} ({layer.kind}) {reads}"
    rows = reads.made_height
    return None if rows >= ways else f"layer {name} ({layer.kind}) makes {rows} rows"


def _pieces(tiled: Tiled) -> Partition:
    """Cut where rows go from one place to another."""
    graph = tiled.network.graph
    runs: dict[Place, list[tuple[str, ...]]] = {}
    for group in fused_groups(graph):
        runs.setdefault(tiled.places[group[-1]], []).append(group)
    return pieces_of(graph, (runs[place] for place in sorted(runs)))


def _prices(problem: Problem) -> Prices:
    """Return what rows cost on boards such as these."""
    return Prices(
        flops=REFERENCE_FLOPS * min(board.speed for board in problem.boards),
        link=min(min(link.up, link.down) for link in problem.links),
        latency=2 * max(link.latency for link in problem.links),
    )


def _on_boards(
    pieces: Partition, ways: int, request: PartitionRequest, tiled: Tiled
) -> tuple[float, bool]:
    """Predict the seconds of a slice with a board for each tile, and whether all fits them.

    The first board runs what is not divided.
    """
    problem = estimate(pieces, request)
    works = tuple(
        replace(work, seconds=tuple(s + _copying(piece) for s in work.seconds))
        for work, piece in zip(problem.pieces, pieces, strict=True)
    )
    links = tuple(replace(link, latency=link.latency + MESSAGE / 2) for link in problem.links)
    tiles = [tiled.places[piece.layers[-1].name].tile for piece in pieces]
    boards = np.array([[tile % ways % len(problem.boards) for tile in tiles]])
    (seconds,) = latencies(replace(problem, pieces=works, links=links), boards)
    limits = np.array([board.memory_limit for board in problem.boards])
    (excess,) = loads_of(problem, boards).excess(limits)
    return float(seconds), bool(excess <= 0)


def _copying(piece: Graph) -> float:
    """Return the seconds that planning leaves out: bytes into a piece, within it and out of it.

    Weights are read from memory for each slice: a tile of half the rows reads all of them.
    Padding copies nothing: XNNPACK takes it and the convolution behind it for one operation.
    """
    ends = (*piece.inputs, *(piece.tensors[name] for name in piece.outputs))
    moving = (
        layer
        for layer in piece.layers
        if not layer.weights and kind_of(layer.kind).fusion is not Fusion.PADDING
    )
    moving_seconds = sum(seconds_of(piece, layer) for layer in moving)
    weight_bytes = ITEM_SIZE["float32"] * piece.parameters
    return moving_seconds + (weight_bytes + sum(tensor.nbytes for tensor in ends)) / COPIED
