"""Rounds a network: few bits a weight, and the output nearly what it was."""

from collections.abc import Sequence

from edgeseg.errors import UsageError, field_name
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.calibration import spread
from edgeseg_converters.compress.fitting.im2col import Matrix, Unrolled, unrolled
from edgeseg_converters.compress.fitting.layerwise import Original, follow, observe, varied
from edgeseg_converters.compress.fitting.moments import Moments
from edgeseg_converters.compress.recipe import Rounding
from edgeseg_converters.compress.rounding.budget import Budget
from edgeseg_converters.compress.rounding.fisher import worth_of_errors
from edgeseg_converters.compress.rounding.gptq import Task, round_matrix, task_of
from edgeseg_converters.network import Network

_PILOT = 16
"""Slices that tell what errors and bits cost."""


def round_weights(network: Network, images: Sequence[ModelInput], request: Rounding) -> Network:
    """Let the kernels take few values, chosen so that the output stays nearly what it was.

    Neither labels nor training are needed. A first walk, which rounds every kernel as if it were
    the only one, finds the price of a bit; a second one rounds each to what the rounded layers
    before it hand on.

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
        raise UsageError(f"rounding looks at slices; give {field_name('calibration')}")
    images = varied(images, network.graph)
    original = Original(network)
    kernels = {
        layer.name: kernel
        for layer in network.graph.layers
        if (kernel := unrolled(layer, network.weights)) is not None
    }
    few = spread(images, _PILOT)
    worth = worth_of_errors(network, list(kernels), few)
    budget = Budget(sum(kernel.elements for kernel in kernels.values()))

    def task(kernel: Unrolled, seen: Moments) -> Task:
        name = kernel.layer.name
        _, matrix = original.outputs(name)
        return task_of(matrix, seen, worth[name], request.levels, kernel.places)

    observe(network, few, lambda *kernel: budget.enter(task(*kernel)), "pricing bits")
    price = budget.price(request.bits)

    def rounded(kernel: Unrolled, seen: Moments) -> Matrix:
        return round_matrix(task(kernel, seen), price)

    return follow(network, original, images, rounded, "rounding weights")
