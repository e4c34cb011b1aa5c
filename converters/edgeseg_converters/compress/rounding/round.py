"""Rounds a network: few bits a weight, and the output nearly what it was."""

from collections.abc import Sequence

from edgeseg.errors import UsageError, field_name
from edgeseg.progress import Progress, silent
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.calibration import evenly_spaced
from edgeseg_converters.compress.fitting.im2col import KernelMatrix, Matrix, kernel_matrix
from edgeseg_converters.compress.fitting.layerwise import (
    Original,
    augmented_slices,
    choose_kernels,
    visit_kernels,
)
from edgeseg_converters.compress.fitting.moments import Moments
from edgeseg_converters.compress.recipe import Rounding
from edgeseg_converters.compress.rounding.budget import Budget
from edgeseg_converters.compress.rounding.fisher import fisher_error_costs
from edgeseg_converters.compress.rounding.gptq import RoundingTask, round_matrix, rounding_task
from edgeseg_converters.network import Network

_PILOT = 16
"""Slices that tell what errors and bits cost."""


def round_weights(
    network: Network,
    images: Sequence[ModelInput],
    request: Rounding,
    progress: Progress = silent,
) -> Network:
    """Round all kernels to few values each, such that the output stays nearly what it was.

    Neither labels nor training are needed. A first pass, which rounds every kernel as if it were
    the only one, finds the price of a bit; a second one rounds each kernel for what the rounded
    layers before it make.

    Parameters
    ----------
    images
        Unlabelled slices as model inputs, (1, H, W, C) each.
    request
        Bits a weight on average, and values a channel at most.
    progress
        Told how far each pass is.

    Raises
    ------
    UsageError
        If there are no images.
    """
    if not images:
        raise UsageError(f"rounding looks at slices; give {field_name('calibration')}")
    images = augmented_slices(images, network.graph)
    original = Original(network)
    kernels = {
        layer.name: kernel
        for layer in network.graph.layers
        if (kernel := kernel_matrix(layer, network.weights)) is not None
    }
    pilot = evenly_spaced(images, _PILOT)
    error_costs = fisher_error_costs(network, list(kernels), pilot, progress)
    budget = Budget(sum(kernel.elements for kernel in kernels.values()))

    def task(kernel: KernelMatrix, statistics: Moments) -> RoundingTask:
        name = kernel.layer.name
        _, matrix = original.outputs(name)
        return rounding_task(matrix, statistics, error_costs[name], request.levels, kernel.places)

    visit_kernels(
        network, pilot, lambda *kernel: budget.enter(task(*kernel)), "pricing bits", progress
    )
    price = budget.price(request.bits)

    def rounded(kernel: KernelMatrix, statistics: Moments) -> Matrix:
        return round_matrix(task(kernel, statistics), price)

    return choose_kernels(network, original, images, rounded, "rounding weights", progress)
