"""Common-subexpression elimination: of layers that compute the same, one is left."""

from dataclasses import replace
from typing import Any

from edgeseg.network.graph import Layer
from edgeseg_converters.network import Network


def merge_common_subexpressions(network: Network) -> Network:
    """Replace layers without weights that compute the same by the first of them.

    TFLite merges them too; were both in one piece, and read by others, it would lack an output.

    Parameters
    ----------
    network
        Such as a U-Net that pools the same skip once for each decoder level.

    Returns
    -------
    Network
        Every reader of a layer left out reads the first instead; graph outputs stay.
    """
    graph = network.graph
    replacements: dict[str, str] = {}
    first_of: dict[tuple[Any, ...], str] = {}
    layers: list[Layer] = []
    for layer in graph.layers:
        inputs = tuple(replacements.get(tensor, tensor) for tensor in layer.inputs)
        first = first_of.setdefault((layer.kind, inputs, str(layer.config)), layer.name)
        if first != layer.name and not layer.weights and layer.name not in graph.outputs:
            replacements[layer.name] = first
        else:
            layers.append(replace(layer, inputs=inputs))
    return replace(network, graph=replace(graph, layers=tuple(layers)))
