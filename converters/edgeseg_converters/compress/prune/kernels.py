"""The kernels of a network, which pruning changes, and their sparsity."""

from collections.abc import Callable, Iterator

import numpy as np

from edgeseg.network.graph import Graph, Layer, WeightSpec
from edgeseg_converters.compress.fitting.im2col import Kernel
from edgeseg_converters.network import Network, Weights


def is_kernel(spec: WeightSpec) -> bool:
    """Tell kernels from biases and statistics."""
    return spec.name.endswith("kernel")


def kernels_of(layer: Layer, weights: Weights) -> Iterator[Kernel]:
    """Yield the kernels of a layer: none, one, or the two of a separable convolution."""
    arrays = weights.get(layer.name, ())
    return (array for spec, array in zip(layer.weights, arrays, strict=True) if is_kernel(spec))


def with_kernels(network: Network, change: Callable[[Layer, Kernel], Kernel]) -> Network:
    """Replace every kernel; biases and statistics are left alone.

    Parameters
    ----------
    network
        Graph and weights.
    change
        Takes a layer and a kernel of it; returns a kernel of the same shape.
    """
    weights = {
        layer.name: tuple(
            change(layer, array) if is_kernel(spec) else array
            for spec, array in zip(layer.weights, network.weights[layer.name], strict=True)
        )
        for layer in network.graph.layers
        if layer.weights
    }
    return Network(network.graph, weights)


def sparsity(graph: Graph, weights: Weights) -> float:
    """Return the share of zeros among the kernel weights of a graph, 0 where it has none."""
    kernels = [kernel for layer in graph.layers for kernel in kernels_of(layer, weights)]
    total = sum(kernel.size for kernel in kernels)
    nonzero = sum(int(np.count_nonzero(kernel)) for kernel in kernels)
    return 1 - nonzero / total if total else 0.0


def sparsity_by_layer(network: Network) -> dict[str, float]:
    """Return the share of zeros in the kernels of each layer that has any."""
    shares = {}
    for layer in network.graph.layers:
        kernels = list(kernels_of(layer, network.weights))
        if kernels:
            zeros = sum(kernel.size - int(np.count_nonzero(kernel)) for kernel in kernels)
            shares[layer.name] = zeros / sum(kernel.size for kernel in kernels)
    return shares
