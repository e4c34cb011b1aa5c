"""Leaves out layers that compute what another one has computed already."""

from dataclasses import replace
from typing import Any

from edgeseg.network.graph import Layer
from edgeseg_converters.network import Network


def merge_common_subexpressions(network: Network) -> Network:
    """Let one of several equal layers without weights stand for all.

    TFLite merges them too; were both in one piece, and read by others, it would lack an output.

    Parameters
    ----------
    network
        Such as a U-Net that pools the same skip once for each decoder level.
    """
    graph = network.graph
    stands_for: dict[str, str] = {}
    known: dict[tuple[Any, ...], str] = {}
    layers: list[Layer] = []
    for layer in graph.layers:
        inputs = tuple(stands_for.get(tensor, tensor) for tensor in layer.inputs)
        twin = known.setdefault((layer.kind, inputs, str(layer.config)), layer.name)
        if twin != layer.name and not layer.weights and layer.name not in graph.outputs:
            stands_for[layer.name] = twin
        else:
            layers.append(replace(layer, inputs=inputs))
    return replace(network, graph=replace(graph, layers=tuple(layers)))
