"""Algorithm II of Rao et al. 2023 (doi 10.20944/preprints202308.0888.v1): threshold pruning."""

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError
from edgeseg.graph import Graph, WeightSpec
from edgeseg_converters.network import Network, Weights


def prune_below_threshold(network: Network, ratio: float) -> Network:
    """Set to zero what is small in each kernel: magnitudes below ``ratio`` standard deviations.

    The print removes "weights below the threshold", which taken literally zeroes every negative
    weight; the magnitude is meant. Biases and batch-norm statistics are left alone.

    Parameters
    ----------
    ratio
        Threshold in standard deviations of the kernel that it is applied to, at least 0.

    Raises
    ------
    UsageError
        If the ratio is negative or no number.
    """
    if not ratio >= 0 or ratio == float("inf"):
        raise UsageError(f"--prune-ratio is {ratio}; give a number of at least 0, such as 0.5")
    pruned = {
        layer.name: tuple(
            _prune(array, ratio) if is_kernel(spec) else array
            for spec, array in zip(layer.weights, network.weights[layer.name], strict=True)
        )
        for layer in network.graph.layers
        if layer.weights
    }
    return Network(network.graph, pruned)


def is_kernel(spec: WeightSpec) -> bool:
    """Tell kernels from biases and statistics."""
    return spec.name.endswith("kernel")


def sparsity(graph: Graph, weights: Weights) -> float:
    """Return the share of zeros among the kernel weights of a graph, 0 where it has none."""
    kernels = [
        array
        for layer in graph.layers
        if layer.weights
        for spec, array in zip(layer.weights, weights[layer.name], strict=True)
        if is_kernel(spec)
    ]
    total = sum(kernel.size for kernel in kernels)
    kept = sum(int(np.count_nonzero(kernel)) for kernel in kernels)
    return 1 - kept / total if total else 0.0


def _prune(kernel: NDArray[np.float32], ratio: float) -> NDArray[np.float32]:
    return np.where(np.abs(kernel) < ratio * kernel.std(), np.float32(0), kernel)
