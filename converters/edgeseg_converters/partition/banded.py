"""Pieces whose activations take too much: cut where the resolution changes, and run in bands."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

from edgeseg.network.cost import graph_cost, peak_live_bytes
from edgeseg.network.graph import Graph
from edgeseg.text.units import format_bytes
from edgeseg_converters.partition.block import blocks
from edgeseg_converters.partition.complexity import check_budget
from edgeseg_converters.partition.request import Cut, PartitionRequest, piece_name
from edgeseg_converters.rewrite.bands import Banding, in_bands

Part: TypeAlias = tuple[Graph, Banding | None]
"""A piece, and how its rows are computed where that is not all at once."""


def banded(cut: Cut, request: PartitionRequest) -> Cut:
    """Bring the activations of every piece down to what is asked for, as far as that goes.

    Raises
    ------
    BudgetError
        If that takes more pieces than there may be.
    """
    most = request.max_activations
    if most is None:
        return cut
    slim = (part for piece in cut.pieces for part in slimmed(piece, most))
    parts = [
        (replace(graph, name=piece_name(number)), banding)
        for number, (graph, banding) in enumerate(slim)
    ]
    pieces = check_budget(tuple(graph for graph, _ in parts), request)
    bandings = {graph.name: banding for graph, banding in parts if banding is not None}
    otherwise = None if cut.otherwise is None else banded(cut.otherwise, request)
    made = replace(cut, pieces=pieces, bandings=bandings, otherwise=otherwise)
    return made.noted(*_notes(parts, most))


def slimmed(piece: Graph, most: int) -> tuple[Part, ...]:
    """Return a piece, or what becomes of it, such that no more bytes are alive at once.

    Bands of a piece that reaches over several resolutions overlap by much of their height: where
    that computes more, each block of it becomes a piece with bands of its own.
    """
    whole = ((piece, in_bands(piece, most)),)
    if peak_live_bytes(piece) <= most:
        return whole
    cut = [[name for group in block for name in group] for block in blocks(piece)]
    members = [piece.subgraph(piece.name, names) for names in cut]
    apart = tuple((member, in_bands(member, most)) for member in members)
    return min(whole, apart, key=lambda parts: _drawback(parts, most))


def _drawback(parts: tuple[Part, ...], most: int) -> tuple[int, int, int]:
    """Bytes alive beyond the limit, then FLOPs, then the number of pieces: the less the better."""
    excess = max(0, *(alive(part) - most for part in parts))
    return excess, sum(map(computed, parts)), len(parts)


def alive(part: Part) -> int:
    """Most bytes that are alive at once within a piece."""
    graph, banding = part
    return peak_live_bytes(graph if banding is None else banding.graph)


def computed(part: Part) -> int:
    """Count the FLOPs of a piece, rows that bands compute twice included."""
    graph, banding = part
    return graph_cost(graph).flops if banding is None else banding.flops


def _notes(parts: list[Part], most: int) -> Iterator[str]:
    in_them = [(graph.name, len(banding.starts)) for graph, banding in parts if banding]
    if in_them:
        told = ", ".join(f"{name} in {count}" for name, count in in_them)
        yield f"rows are computed in bands: {told}"
    for part in parts:
        if alive(part) > most:
            yield (
                f"{part[0].name} has {format_bytes(alive(part))} alive at once: its rows can't be "
                "divided further without computing many of them twice"
            )
