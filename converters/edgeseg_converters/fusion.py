"""Which layers TFLite fuses into one operation, and so must stay in one piece.

A cut inside such a group would keep the numbers right but not the bits: a batch norm folded
into a kernel rounds differently from one that is computed for itself.
"""

from edgeseg.network.graph import Graph, Layer
from edgeseg_converters.layers.kind import Fusion
from edgeseg_converters.layers.registry import kind_of


def fused_groups(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """Return the units that no cut may split, in topological order.

    A layer joins the one that makes its input when nobody else reads that tensor and TFLite
    may fuse the two: padding + convolution, anything + activation, convolution + scaling, and
    scaling + the convolution behind it. A group is therefore a chain that only its last tensor
    leaves; it is convex, and groups ordered by their last layer are ordered topologically.

    Parameters
    ----------
    graph
        The network or a piece.

    Returns
    -------
    tuple of tuple of str
        Names of the layers of each group.
    """
    group: dict[str, list[str]] = {}
    for layer in graph.layers:
        producer = _partner(graph, layer)
        members = group[producer] if producer else []
        members.append(layer.name)
        group[layer.name] = members
    chains = {id(members): tuple(members) for members in group.values()}
    return tuple(sorted(chains.values(), key=lambda chain: graph.position[chain[-1]]))


def _partner(graph: Graph, layer: Layer) -> str | None:
    """Name the layer whose group this one joins, if any."""
    if len(layer.inputs) != 1 or layer.inputs[0] not in graph.position:
        return None
    producer = graph.layer(layer.inputs[0])
    alone = graph.consumers[producer.name] == (layer.name,) and producer.name not in graph.outputs
    return producer.name if alone and _fuses(producer.kind, layer.kind) else None


def _fuses(producer: str, consumer: str) -> bool:
    before, behind = kind_of(producer).fusion, kind_of(consumer).fusion
    if behind is Fusion.CONVOLUTION:
        return before in {Fusion.PADDING, Fusion.SCALING}
    if behind is Fusion.SCALING:
        return before is Fusion.CONVOLUTION
    return behind is Fusion.ACTIVATION
