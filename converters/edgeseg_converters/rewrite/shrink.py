"""Removes classes of channels from a network: smaller arrays, shapes and settings everywhere."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeseg.network.graph import Graph, Layer, WeightSpec
from edgeseg_converters.layers.registry import kind_of
from edgeseg_converters.network import Network
from edgeseg_converters.rewrite.channel_classes import Channels, Classes, weight_axes


def shrink(network: Network, channels: Channels, keep: NDArray[np.bool_]) -> Network:
    """Return the network without the channels that are not kept.

    Parameters
    ----------
    channels
        The channels of the network's graph.
    keep
        Whether each class stays, (count,).
    """
    layers: list[Layer] = []
    weights: dict[str, tuple[NDArray[np.float32], ...]] = {}
    for layer in network.graph.layers:
        arrays = tuple(
            _take(array, weight_axes(layer, spec, channels.tensors), keep)
            for spec, array in zip(layer.weights, network.weights.get(layer.name, ()), strict=True)
        )
        width = int(np.count_nonzero(keep[channels.tensors[layer.name]]))
        specs = tuple(
            WeightSpec(spec.name, array.shape)
            for spec, array in zip(layer.weights, arrays, strict=True)
        )
        shape = (*layer.output.shape[:-1], width)
        output = replace(layer.output, shape=shape)
        config = kind_of(layer.kind).resized(layer, width)
        layers.append(replace(layer, output=output, config=config, weights=specs))
        if arrays:
            weights[layer.name] = arrays
    graph = network.graph
    return Network(Graph(graph.name, graph.inputs, graph.outputs, tuple(layers)), weights)


def _take(
    array: NDArray[np.float32], axes: Mapping[int, Classes], keep: NDArray[np.bool_]
) -> NDArray[np.float32]:
    for axis, classes in axes.items():
        array = np.compress(keep[classes], array, axis=axis)
    return array
