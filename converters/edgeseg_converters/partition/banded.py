"""Pieces whose activations take too much: cut where the resolution changes, and run in bands."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

from edgeseg.network.graph import Graph
from edgeseg.text.units import format_bytes
from edgeseg_converters.layers.cost import graph_cost, peak_live_bytes
from edgeseg_converters.partition.block import blocks
from edgeseg_converters.partition.complexity import check_budget
from edgeseg_converters.partition.request import Cut, PartitionRequest, piece_name
from edgeseg_converters.rewrite.bands import Banding, in_bands

Part: TypeAlias = tuple[Graph, Banding | None]
"""A piece, and how its rows are computed where that is not all at once."""


def banded(cut: Cut, request: PartitionRequest) -> Cut:
    """Bring the activations of every piece down to ``request.max_activations``, as far as it goes.

    Raises
    ------
    BudgetError
        If that takes more pieces than there may be.
    """
    limit = request.max_activations
    if limit is None:
        return cut
    slim = (part for piece in cut.pieces for part in slimmed(piece, limit))
    parts = [
        (replace(graph, name=piece_name(number)), banding)
        for number, (graph, banding) in enumerate(slim)
    ]
    pieces = check_budget(tuple(graph for graph, _ in parts), request)
    bandings = {graph.name: banding for graph, banding in parts if banding is not None}
    stands_by = cut.otherwise
    otherwise = None if stands_by is None else lambda: banded(stands_by(), request)
    return replace(cut, pieces=pieces, bandings=bandings, otherwise=otherwise).noted(
        *_notes(parts, limit)
    )


def slimmed(piece: Graph, limit: int) -> tuple[Part, ...]:
    """Divide a piece into parts and bands with at most ``limit`` bytes of activations alive.

    Bands of a piece that reaches over several resolutions overlap by much of their height: where
    that computes more, each block of it becomes a piece with bands of its own. Where no division
    keeps to the limit, the one that exceeds it least is returned.
    """
    whole = ((piece, in_bands(piece, limit)),)
    if peak_live_bytes(piece) <= limit:
        return whole
    members = [[name for group in block for name in group] for block in blocks(piece)]
    graphs = [piece.subgraph(piece.name, names) for names in members]
    apart = tuple((graph, in_bands(graph, limit)) for graph in graphs)
    return min(whole, apart, key=lambda parts: _drawback(parts, limit))


def _drawback(parts: tuple[Part, ...], limit: int) -> tuple[int, int, int]:
    """Return bytes alive beyond the limit, FLOPs and number of pieces: the less the better."""
    excess = max(0, *(alive_bytes(part) - limit for part in parts))
    return excess, sum(map(computed_flops, parts)), len(parts)


def alive_bytes(part: Part) -> int:
    """Return the most bytes of activations that are alive at once within a piece."""
    graph, banding = part
    return peak_live_bytes(graph if banding is None else banding.graph)


def computed_flops(part: Part) -> int:
    """Count the FLOPs of a piece, rows that bands compute twice included."""
    graph, banding = part
    return graph_cost(graph).flops if banding is None else banding.flops


def _notes(parts: list[Part], limit: int) -> Iterator[str]:
    counts = [(graph.name, len(banding.starts)) for graph, banding in parts if banding]
    if counts:
        listed = ", ".join(f"{name} in {count}" for name, count in counts)
        yield f"rows are computed in bands: {listed}"
    for part in parts:
        if alive_bytes(part) > limit:
            yield (
                f"{part[0].name} has {format_bytes(alive_bytes(part))} alive at once: its rows "
                "can't be divided further without computing many of them twice"
            )
