"""Gives an output the axes (N, H, W, C) again that a model flattened at its end."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ModelError
from edgeseg.network.graph import Graph, Layer, Tensor

_IMAGE_RANK = 4
_MOVES = frozenset({"Flatten", "Permute", "Reshape"})
_ACTIVATIONS = frozenset({"Activation", "Softmax"})


def with_image_output(graph: Graph) -> Graph:
    """Return a graph whose output is an image (1, H, W, C).

    Layers at the end that only rearrange one into (1, H * W, C), (1, H, W) or the like are left
    out; activations between them act on the image, which has the same channels.

    Parameters
    ----------
    graph
        A graph with one output.

    Raises
    ------
    ModelError
        If the output is no image, and no image rearranged.
    """
    (end,) = graph.outputs
    tail = _tail(graph)
    is_image = len(graph.tensors[end].shape) == _IMAGE_RANK
    if is_image and not any(layer.kind == "Permute" for layer in tail):
        return graph
    image = graph.tensors[tail[0].inputs[0]] if tail else graph.tensors[end]
    if len(image.shape) != _IMAGE_RANK or not _keeps_order(tail, image):
        raise ModelError(
            f"the model's output {end} has the shape {('N', *graph.tensors[end].shape[1:])}, which "
            "is no image (N, H, W, C), nor one with its pixels in a row; end the model in such an "
            "image"
        )
    return _without_moves(graph, tail, image)


def _tail(graph: Graph) -> tuple[Layer, ...]:
    """Return the layers at the end, in order, that only rearrange values or activate them."""
    tail: list[Layer] = []
    name = graph.outputs[0]
    while name in graph.position and _is_of_tail(layer := graph.layer(name), graph):
        tail.append(layer)
        (name,) = layer.inputs
    return tuple(reversed(tail))


def _is_of_tail(layer: Layer, graph: Graph) -> bool:
    """Tell whether a layer activates values or moves them, such as ``x[..., 0]`` of one channel."""
    if layer.kind in _MOVES | _ACTIVATIONS:
        return True
    made, read = layer.output, graph.tensors[layer.inputs[0]]
    if layer.kind != "Operator" or layer.config.get("function") != "slice":
        return False
    key = layer.config["options"]["key"]
    return read.shape == (*made.shape, 1) and all(part in ([], ()) for part in key[:-1])


def _keeps_order(tail: tuple[Layer, ...], image: Tensor) -> bool:
    """Tell whether a tail leaves the values in the order of the image, and activations fit it."""
    channels = image.shape[-1]
    numbers: NDArray[np.int64] = np.arange(math.prod(image.shape)).reshape(image.shape)
    for layer in tail:
        if layer.kind == "Permute":
            numbers = numbers.transpose(0, *layer.config["dims"])
        elif layer.kind not in _ACTIVATIONS:
            numbers = numbers.reshape(layer.output.shape)
        elif _acts_on_channels(layer) and not _has_channels_last(numbers, layer, channels):
            return False
    return bool(np.array_equal(numbers.ravel(), np.arange(numbers.size)))


def _acts_on_channels(layer: Layer) -> bool:
    return layer.kind == "Softmax" or layer.config.get("activation") == "softmax"


def _has_channels_last(numbers: NDArray[np.int64], layer: Layer, channels: int) -> bool:
    """Tell whether the axis that a softmax works on holds the channels of a pixel."""
    axis = layer.config.get("axis", -1)
    if axis not in {-1, numbers.ndim - 1} or numbers.shape[-1] != channels:
        return False
    rows = numbers.reshape(-1, channels)
    return bool((rows == rows[:, :1] + np.arange(channels)).all())


def _without_moves(graph: Graph, tail: tuple[Layer, ...], image: Tensor) -> Graph:
    names = {layer.name for layer in tail}
    before = [layer for layer in graph.layers if layer.name not in names]
    after = list(_on_image(tail, image))
    output = after[-1].name if after else image.name
    return Graph(graph.name, graph.inputs, (output,), (*before, *after))


def _on_image(tail: tuple[Layer, ...], image: Tensor) -> Iterator[Layer]:
    """Yield the activations of a tail as they act on the image."""
    source = image.name
    for layer in tail:
        if layer.kind in _ACTIVATIONS:
            config = {**layer.config, "axis": -1} if "axis" in layer.config else layer.config
            output = Tensor(layer.name, image.shape)
            yield replace(layer, inputs=(source,), output=output, config=config)
            source = layer.name
