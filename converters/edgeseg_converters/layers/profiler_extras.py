"""What TensorFlow's profiler counts beside kernels: choices for ``CostRule.profiler_extras``."""

from edgeseg.network.graph import Graph, Layer

SOFTMAX_OPERATIONS = 5
"""Operations that a softmax takes for each of its values."""


def nothing(_: Graph, __: Layer) -> int:
    """Count no operation."""
    return 0


def shape_arithmetic(_: Graph, __: Layer) -> int:
    """Count two multiplications for the shape of an enlarged output."""
    return 2


def softmax(_: Graph, layer: Layer) -> int:
    """Count the operations of a softmax over the output."""
    return SOFTMAX_OPERATIONS * layer.output.elements


def merging(_: Graph, layer: Layer) -> int:
    """Count one operation an output value for each further input."""
    return (len(layer.inputs) - 1) * layer.output.elements


def pooling(_: Graph, layer: Layer) -> int:
    """Count one operation for each value that pooling reads."""
    height, width = layer.config["pool_size"]
    return int(height * width) * layer.output.elements


def global_pooling(graph: Graph, layer: Layer) -> int:
    """Count one operation for each value of the input."""
    return graph.tensors[layer.inputs[0]].elements


def reading(graph: Graph, layer: Layer) -> int:
    """Count one operation for each value that goes in or comes out, whichever are more."""
    read = max(graph.tensors[name].elements for name in layer.inputs)
    return max(read, layer.output.elements)
