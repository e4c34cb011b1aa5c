"""Rounds a network layer by layer, each one to what the layers before it, rounded, hand it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgeseg.errors import UsageError
from edgeseg.graph import Graph, Layer, live_tensors
from edgeseg.terminal import progress
from edgeseg_converters.calibration import spread
from edgeseg_converters.chain import Image
from edgeseg_converters.forward import Forward
from edgeseg_converters.network import Network
from edgeseg_converters.prune.recalibrate import NORMALIZATION, with_statistics
from edgeseg_converters.recipe import Rounding
from edgeseg_converters.rounding.choose import round_matrix, task_of
from edgeseg_converters.rounding.columns import Matrix, Unrolled, unrolled
from edgeseg_converters.rounding.moments import Moments, moments
from edgeseg_converters.rounding.worth import worth_of_errors

_SLICES = 64
"""More hardly change what is chosen."""
_HELD_BYTES = 4 * 2**30
"""Of all tensors alive at once."""


def round_weights(network: Network, images: Sequence[Image], request: Rounding) -> Network:
    """Let the kernels take few values, chosen so that the output stays nearly what it was.

    Neither labels nor training are needed. Every kernel is fitted to what the rounded layers
    before it make of the images, so that errors don't add up; batch statistics and biases follow.
    Kernels that are no matrix (depth-wise, by groups) stay. The tensors alive at one layer are
    held for all images at once, rounded and original: of many images some are taken, evenly
    spread.

    Parameters
    ----------
    images
        Unlabelled slices as model inputs, (1, H, W, C) each.

    Raises
    ------
    UsageError
        If there are no images.
    """
    if not images:
        raise UsageError("rounding looks at slices; give --calibration")
    images = spread(images, _enough(network.graph))
    kernels = {
        layer.name: kernel
        for layer in network.graph.layers
        if (kernel := unrolled(layer, network.weights))
    }
    worth = worth_of_errors(network, list(kernels), images)
    weights = sum(kernel.elements for kernel in kernels.values())
    graph, rounded = network.graph, network
    stops = [one for one in graph.layers if one.kind == NORMALIZATION or one.name in kernels]
    behind, ahead = Forward(graph, images), Forward(graph, images)
    with progress(len(stops), "rounding weights") as advance:
        for layer in stops:
            reads = behind.reach(layer, rounded.weights)
            if layer.kind == NORMALIZATION:
                rounded = with_statistics(rounded, layer, reads)
            else:
                kernel = kernels[layer.name]
                originals = ahead.reach(layer, network.weights)
                seen = moments(kernel, reads, originals, network.weights[layer.name])
                if _mean_is_free(graph, layer):
                    seen = seen.centred()
                matrix = kernel.matrix(network.weights[layer.name][kernel.index])
                cost = worth[layer.name]
                task = task_of(matrix, seen, cost, request.levels, kernel.places)
                values = round_matrix(task, request.price / weights)
                rounded = _with_kernel(rounded, kernel, seen, values)
            advance()
    return rounded


def _enough(graph: Graph) -> int:
    """Count the images that say enough, and whose tensors can be held."""
    alive = max(sum(tensor.nbytes for tensor in tensors) for tensors in live_tensors(graph))
    return max(1, min(_SLICES, _HELD_BYTES // (2 * alive)))


def _with_kernel(network: Network, kernel: Unrolled, seen: Moments, values: Matrix) -> Network:
    """Put a kernel into the network, and let its bias take up what the mean lacks."""
    layer = kernel.layer
    arrays = list(network.weights[layer.name])
    arrays[kernel.index] = kernel.kernel(values)
    if layer.config["use_bias"]:
        arrays[-1] = (arrays[-1] + _lacking(seen, values, kernel.places)).astype(np.float32)
    return replace(network, weights={**network.weights, layer.name: tuple(arrays)})


def _lacking(seen: Moments, values: Matrix, places: int) -> Matrix:
    """Return what each channel lacks in the mean."""
    lacking = seen.outputs - seen.inputs @ values
    return np.asarray(lacking.reshape(-1, places).mean(axis=1))


def _mean_is_free(graph: Graph, layer: Layer) -> bool:
    """Say whether a bias, or batch normalization, gives every output the mean it needs."""
    readers = {graph.layer(name).kind for name in graph.consumers[layer.name]}
    normalized = readers == {NORMALIZATION} and layer.name not in graph.outputs
    return layer.config["use_bias"] or (normalized and layer.config["activation"] == "linear")
