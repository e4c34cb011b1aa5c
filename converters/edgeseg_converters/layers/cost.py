"""What a graph costs: parameters, multiply-accumulates, FLOPs in three conventions, bytes.

The three conventions count different things, and published numbers use all of them:

``flops``
    Twice the multiply-accumulates. A transposed convolution is counted on its input grid, which
    is the work that it does. Only layers with a kernel count, and products of tensors.
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
from edgeseg_converters.layers.kind import KernelLayout
from edgeseg_converters.layers.profiler_extras import SOFTMAX_OPERATIONS
from edgeseg_converters.layers.registry import kind_of


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

    A kind without a kernel has no multiply-accumulates but those of products. What is special of
    a kind says its :class:`~edgeseg_converters.layers.kind.CostRule`.

    Parameters
    ----------
    graph
        The graph that holds the tensors the layer reads.
    layer
        A layer of that graph.
    """
    kernels = [weight for weight in layer.weights if weight.name.endswith("kernel")]
    grid = _grid(graph, layer)
    products = kind_of(layer.kind).cost.products(graph, layer)
    macs = grid * sum(kernel.elements for kernel in kernels) + products
    return LayerCost(
        parameters=layer.parameters,
        macs=macs,
        flops=2 * macs,
        flops_profiler=2 * macs * _enlargement(graph, layer) + _extras(graph, layer),
        flops_pointwise=2
        * (grid * sum(kernel.elements // _area(layer, kernel) for kernel in kernels) + products),
        activation_bytes=layer.output.nbytes,
    )


def graph_cost(graph: Graph) -> LayerCost:
    """Add up the costs of all layers."""
    return sum((layer_cost(graph, layer) for layer in graph.layers), LayerCost())


def live_bytes(graph: Graph) -> tuple[int, ...]:
    """Bytes of the crossing set after each layer, in the order of the layers.

    Parameters
    ----------
    graph
        The network or a piece.
    """
    return tuple(sum(tensor.nbytes for tensor in alive) for alive in live_tensors(graph))


def peak_live_bytes(graph: Graph) -> int:
    """Return the most bytes alive at once: what enters a layer, together with its output."""
    entering = (sum(tensor.nbytes for tensor in graph.inputs), *live_bytes(graph))
    outputs = (layer.output.nbytes for layer in graph.layers)
    return max(before + output for before, output in zip(entering, outputs, strict=False))


def _grid(graph: Graph, layer: Layer) -> int:
    """Count the positions at which the kernel is applied."""
    rule = kind_of(layer.kind).cost
    tensor = graph.tensors[layer.inputs[0]] if rule.on_input_grid else layer.output
    return math.prod(tensor.shape[:-1]) // rule.outputs_at_once


def _area(layer: Layer, kernel: WeightSpec) -> int:
    """Return height times width of a convolution kernel; a dense kernel has one position."""
    projects = kind_of(layer.kind).kernel is KernelLayout.PROJECTION
    return 1 if projects else math.prod(kernel.shape[:-2])


def _enlargement(graph: Graph, layer: Layer) -> int:
    """Return how many times more positions the profiler sees than the kernel is applied at."""
    if not kind_of(layer.kind).cost.on_input_grid:
        return 1
    return math.prod(layer.output.shape[:-1]) // _grid(graph, layer)


def _extras(graph: Graph, layer: Layer) -> int:
    """Count the operations the profiler sees beside the kernel's."""
    extras = kind_of(layer.kind).cost.profiler_extras(graph, layer)
    if layer.config.get("use_bias"):
        extras += layer.output.elements
    if layer.config.get("activation") == "softmax":
        extras += SOFTMAX_OPERATIONS * layer.output.elements
    return extras
