"""What a graph costs: parameters, multiply-accumulates, FLOPs in three conventions, bytes.

The three conventions count different things, and published numbers use all of them:

``flops``
    Twice the multiply-accumulates. A transposed convolution is counted on its input grid, which
    is the work that it does. Only layers with a kernel count.
``flops_profiler``
    What TensorFlow's profiler counted for the published numbers: as above, but a transposed
    convolution on its output grid, plus one addition an output value for a bias, one operation
    for each value that pooling reads, one for each further input of a merge, five for each
    value of a softmax layer, and two multiplications of shape arithmetic for each layer that
    enlarges its input. Batch norm (fused) and other activations count nothing.
``flops_pointwise``
    The kernel area left out: ``2 x H x W x Cin x Cout`` on the grid of ``flops``.
"""

import math
from dataclasses import astuple, dataclass

from edgeseg.network.graph import Graph, Layer, WeightSpec, live_tensors

_SOFTMAX_OPERATIONS = 5
_SHAPE_ARITHMETIC = {"Conv2DTranspose": 2, "UpSampling2D": 2}
_PIXELS_AT_ONCE = {"WinogradConv2D": 2}
_MERGES = {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"}
_GLOBAL_POOLING = {"GlobalAveragePooling2D", "GlobalMaxPooling2D"}


@dataclass(frozen=True, slots=True)
class LayerCost:
    """Cost of one layer, or of several added up, for one image.

    ``activation_bytes`` are those of the layer's output.
    """

    parameters: int = 0
    macs: int = 0
    flops: int = 0
    flops_profiler: int = 0
    flops_pointwise: int = 0
    activation_bytes: int = 0

    def __add__(self, other: "LayerCost") -> "LayerCost":
        """Add two costs figure by figure."""
        return LayerCost(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def layer_cost(graph: Graph, layer: Layer) -> LayerCost:
    """Count what one layer of the graph costs.

    A kind without a kernel has no multiply-accumulates; a kind that no convention names costs
    its parameters and its output bytes.

    Parameters
    ----------
    graph
        The graph that holds the tensors the layer reads.
    layer
        A layer of that graph.
    """
    kernels = [weight for weight in layer.weights if weight.name.endswith("kernel")]
    grid = _grid(graph, layer)
    macs = grid * sum(kernel.elements for kernel in kernels)
    return LayerCost(
        parameters=layer.parameters,
        macs=macs,
        flops=2 * macs,
        flops_profiler=2 * macs * _enlargement(graph, layer) + _extras(graph, layer),
        flops_pointwise=2 * grid * sum(kernel.elements // _area(kernel) for kernel in kernels),
        activation_bytes=layer.output.nbytes,
    )


def graph_cost(graph: Graph) -> LayerCost:
    """Add up the costs of all layers."""
    return sum((layer_cost(graph, layer) for layer in graph.layers), LayerCost())


def live_bytes(graph: Graph) -> tuple[int, ...]:
    """Bytes of the crossing set after each layer, in the order of the layers."""
    return tuple(sum(tensor.nbytes for tensor in alive) for alive in live_tensors(graph))


def peak_live_bytes(graph: Graph) -> int:
    """Most bytes alive at once: what crosses into a layer, together with what it makes."""
    entering = (sum(tensor.nbytes for tensor in graph.inputs), *live_bytes(graph))
    made = (layer.output.nbytes for layer in graph.layers)
    return max(before + output for before, output in zip(entering, made, strict=False))


def _grid(graph: Graph, layer: Layer) -> int:
    """Count the positions at which the kernel is applied."""
    shape = layer.output.shape
    if layer.kind == "Conv2DTranspose":
        shape = graph.tensors[layer.inputs[0]].shape
    return math.prod(shape[:-1]) // _PIXELS_AT_ONCE.get(layer.kind, 1)


def _area(kernel: WeightSpec) -> int:
    """Height times width of a convolution kernel; a dense kernel has one position."""
    return math.prod(kernel.shape[:-2])


def _enlargement(graph: Graph, layer: Layer) -> int:
    """Say how many times more positions the profiler sees than the kernel is applied at."""
    if layer.kind != "Conv2DTranspose":
        return 1
    return math.prod(layer.output.shape[:-1]) // _grid(graph, layer)


def _extras(graph: Graph, layer: Layer) -> int:
    """Count the operations the profiler sees beside the kernel's."""
    elements = layer.output.elements
    extras = _SHAPE_ARITHMETIC.get(layer.kind, 0)
    if layer.config.get("use_bias"):
        extras += elements
    if layer.kind == "Softmax" or layer.config.get("activation") == "softmax":
        extras += _SOFTMAX_OPERATIONS * elements
    if layer.kind in _MERGES:
        extras += (len(layer.inputs) - 1) * elements
    if layer.kind in _GLOBAL_POOLING:
        extras += graph.tensors[layer.inputs[0]].elements
    if "pool_size" in layer.config:
        extras += math.prod(layer.config["pool_size"]) * elements
    return extras
