"""What holds for the pieces of any strategy."""

from collections.abc import Sequence

from edgeseg.network.graph import Graph
from edgeseg_converters.fusion import fused_groups


def assert_chained(graph: Graph, pieces: Sequence[Graph]) -> None:
    """Pieces are numbered, hold every layer once, and read what is made by then.

    Layers that LiteRT runs as one operator stand in one piece.
    """
    assert [piece.name for piece in pieces] == [f"piece_{i:02d}" for i in range(len(pieces))]
    covered = [layer.name for piece in pieces for layer in piece.layers]
    assert sorted(covered) == sorted(graph.position)
    made = {tensor.name for tensor in graph.inputs}
    assert {tensor.name for tensor in pieces[0].inputs} == made
    for piece in pieces:
        assert piece.inputs
        assert piece.outputs
        assert {tensor.name for tensor in piece.inputs} <= made
        made |= set(piece.outputs)
    assert pieces[-1].outputs == graph.outputs
    home = {layer.name: piece.name for piece in pieces for layer in piece.layers}
    for group in fused_groups(graph):
        assert len({home[name] for name in group}) == 1
