"""Multiply-accumulates beside those of kernels: choices for ``CostRule.products``."""

import math
import re
from collections.abc import Mapping

from edgeseg.network.graph import Graph, Layer


def nothing(_: Graph, __: Layer) -> int:
    """Count no product."""
    return 0


def dot(graph: Graph, layer: Layer) -> int:
    """Count the products of two tensors along an axis of each."""
    first = graph.tensors[layer.inputs[0]].shape
    axes = layer.config["axes"]
    return layer.output.elements * first[axes if isinstance(axes, int) else axes[0]]


def attention(graph: Graph, layer: Layer) -> int:
    """Count the products of queries and keys, and of what they weigh and the values."""
    query, value = (graph.tensors[name].shape for name in layer.inputs[:2])
    key = graph.tensors[layer.inputs[-1]].shape
    return math.prod(query[:-1]) * value[-2] * (key[-1] + value[-1])


def multi_head_attention(graph: Graph, layer: Layer) -> int:
    """Count the products of queries and keys, and of what they weigh and the values."""
    query, value = (graph.tensors[name].shape for name in layer.inputs[:2])
    config = layer.config
    axes = config["attention_axes"] or range(1, len(value) - 1)
    places = math.prod(value[axis] for axis in axes)
    widths = config["key_dim"] + (config["value_dim"] or config["key_dim"])
    return math.prod(query[:-1]) * places * int(config["num_heads"]) * int(widths)


def operator(graph: Graph, layer: Layer) -> int:
    """Count the products of matrices and of Einstein's sums; other functions have none."""
    function, options = layer.config["function"], layer.config["options"]
    shapes = [_shape(graph, layer, known) for known in layer.config["operands"]]
    if function == "matmul":
        first, turned = shapes[0], options["turned"][0]
        return layer.output.elements * first[-2 if turned else -1]
    return _einsum(options["equation"], shapes, layer) if function == "einsum" else 0


def _shape(graph: Graph, layer: Layer, known: Mapping[str, object]) -> tuple[int, ...]:
    match known:
        case {"input": int(number)}:
            return graph.tensors[layer.inputs[number]].shape
        case {"constant": list(extents)}:
            return tuple(extents)
    return ()


def _einsum(equation: str, shapes: list[tuple[int, ...]], layer: Layer) -> int:
    """Multiply the output's values by the extents of what is summed over."""
    read, _, made = equation.replace(" ", "").partition("->")
    extents = {
        letter: extent
        for term, shape in zip(read.split(","), shapes, strict=True)
        for letter, extent in zip(re.sub(r"\.\.\..*", "", term), shape, strict=False)
    }
    for term, shape in zip(read.split(","), shapes, strict=True):
        behind = term.rpartition("...")[2]
        extents |= dict(zip(reversed(behind), reversed(shape), strict=False))
    summed = (extent for letter, extent in extents.items() if letter not in made)
    return layer.output.elements * math.prod(summed)
