"""Fits what is left of a pruned network to the unpruned one, by least squares, without training."""

from collections.abc import Sequence

from edgeseg.progress import Progress, silent
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.fitting.im2col import KernelMatrix, Matrix
from edgeseg_converters.compress.fitting.layerwise import Original, augmented_slices, choose_kernels
from edgeseg_converters.compress.fitting.moments import Moments
from edgeseg_converters.compress.prune.filters import FilterPruning
from edgeseg_converters.network import Network


def refit(
    pruning: FilterPruning,
    whole: Network,
    images: Sequence[ModelInput],
    progress: Progress = silent,
) -> Network:
    """Fit every kernel to the outputs of the same layer of the unpruned network.

    Channels that are gone correlate with some that are left, which take over their share of the
    next layer's output. Batch statistics and biases follow.

    Parameters
    ----------
    pruning
        The network with fewer filters, and which they are.
    whole
        The network before pruning.
    images
        Unlabelled slices as model inputs, (1, H, W, C) each; at least one.
    progress
        Told how far the work is.

    References
    ----------
    He et al. 2017, "Channel Pruning for Accelerating Very Deep Neural Networks", section 3.1.
    """
    weights = pruning.network.weights

    def choose(kernel: KernelMatrix, statistics: Moments) -> Matrix:
        return statistics.fitted(kernel.matrix(weights[kernel.layer.name][kernel.index]))

    original = Original(whole, pruning.channels)
    slices = augmented_slices(images, whole.graph)
    return choose_kernels(
        pruning.network, original, slices, choose, "fitting what is left", progress
    )
