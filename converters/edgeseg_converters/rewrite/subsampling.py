"""Writes strided 1x1 convolutions as a selection of pixels and a convolution of those.

The gradient of a strided 1x1 convolution to eight filters ends the process where oneDNN computes
it (TensorFlow 2.21 on x86 with AVX-512). Of the selected pixels the same sums are taken.
"""

from collections.abc import Iterator
from dataclasses import replace

from edgeseg.network.graph import Layer
from edgeseg_converters.network import Network

_POINT = [1, 1]


def select_before_points(network: Network) -> Network:
    """Return an equivalent network without strided 1x1 convolutions; names of layers stay.

    Parameters
    ----------
    network
        A graph, whole or a piece, and at least its weights.
    """
    graph = network.graph
    layers = (made for layer in graph.layers for made in _selected(layer))
    return replace(network, graph=replace(graph, layers=tuple(layers)))


def _selected(layer: Layer) -> Iterator[Layer]:
    """Yield a layer, behind a pooling of single pixels where it is such a convolution."""
    strided = layer.kind == "Conv2D" and list(layer.config["strides"]) != _POINT
    if not strided or list(layer.config["kernel_size"]) != _POINT:
        yield layer
        return
    name = f"{layer.name}.selected"
    channels = layer.weights[0].shape[-2] * layer.config["groups"]
    output = replace(layer.output, name=name, shape=(*layer.output.shape[:-1], channels))
    pool = {"pool_size": _POINT, "strides": list(layer.config["strides"]), "padding": "valid"}
    yield Layer(name, "MaxPooling2D", layer.inputs, output, pool)
    yield replace(layer, inputs=(name,), config={**layer.config, "strides": _POINT})
