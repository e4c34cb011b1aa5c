"""A graph together with the values of its weights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg.network.graph import Graph

Weights: TypeAlias = Mapping[str, tuple[NDArray[np.float32], ...]]
"""Arrays of each layer that has any, in the order of its ``WeightSpec`` list."""

ChannelMasks: TypeAlias = Mapping[str, NDArray[np.bool_]]
"""Which channels of a tensor are left, by its name; a tensor without a mask has all of them."""


@dataclass(frozen=True)
class Network:
    """A trained model without its framework: its graph and its weights."""

    graph: Graph
    weights: Weights


def without_unread(network: Network) -> Network:
    """Leave out layers that nobody reads, such as unread outputs of an operator.

    Parameters
    ----------
    network
        Graph and weights, and those of each layer alone that has any.
    """
    graph = network.graph
    read = set(graph.outputs)
    for layer in reversed(graph.layers):
        if layer.name in read:
            read.update(layer.inputs)
    layers = tuple(layer for layer in graph.layers if layer.name in read)
    weights = {name: arrays for name, arrays in network.weights.items() if name in read}
    return Network(replace(graph, layers=layers), weights)


def narrowed(array: NDArray[Any], tensor: str, left: ChannelMasks) -> NDArray[Any]:
    """Return an array of a tensor, (..., C), with the channels alone that are left.

    Parameters
    ----------
    array
        Of a tensor with all of its channels, (..., C).
    tensor
        Its name.
    left
        Channels that are left.
    """
    return array[..., left[tensor]] if tensor in left else array
