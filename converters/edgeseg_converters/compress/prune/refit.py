"""What is left of a pruned network makes good what is gone, by least squares, without training."""

from collections.abc import Sequence

from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.fitting.im2col import Matrix, Unrolled
from edgeseg_converters.compress.fitting.layerwise import Original, follow, varied
from edgeseg_converters.compress.fitting.moments import Moments
from edgeseg_converters.compress.prune.filters import FilterPruning
from edgeseg_converters.network import Network


def refit(pruning: FilterPruning, whole: Network, images: Sequence[ModelInput]) -> Network:
    """Fit every kernel to what the whole network's layer made of the same slices.

    Channels that are gone hang together with some that are left: their share of the next layer's
    output is found again in those. Batch statistics and biases follow.

    Parameters
    ----------
    pruning
        The network with fewer filters, and which they are.
    whole
        The network before.
    images
        Unlabelled slices as model inputs, (1, H, W, C) each; at least one.

    References
    ----------
    He et al. 2017, "Channel Pruning for Accelerating Very Deep Neural Networks", section 3.1.
    """
    weights = pruning.network.weights

    def choose(kernel: Unrolled, seen: Moments) -> Matrix:
        return seen.fitted(kernel.matrix(weights[kernel.layer.name][kernel.index]))

    original = Original(whole, pruning.channels)
    slices = varied(images, whole.graph)
    return follow(pruning.network, original, slices, choose, "fitting what is left")
