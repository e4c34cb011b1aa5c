"""Common-subexpression elimination: of layers that compute the same, one is left."""

from dataclasses import replace
from typing import Any

from edgeseg.network.graph import Layer
from edgeseg_converters.network import Network


def merge_common_subexpressions(network: Network) -> Network:
    """Replace layers that compute the same, with the same weights, by the first of them.

    TFLite merges them too; were both in one piece, and read by others, it would lack an output.
    Layers with weights are the same where they are calls of one layer.

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
        arrays = tuple(map(id, network.weights.get(layer.name, ())))
        first = first_of.setdefault((layer.kind, inputs, str(layer.config), arrays), layer.name)
        if first != layer.name and layer.name not in graph.outputs:
            replacements[layer.name] = first
        else:
            layers.append(replace(layer, inputs=inputs))
    weights = {name: arrays for name, arrays in network.weights.items() if name not in replacements}
    return Network(replace(graph, layers=tuple(layers)), weights)
