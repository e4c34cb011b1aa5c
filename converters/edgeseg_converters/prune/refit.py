"""What is left of a pruned network makes good what is gone, by least squares, without training."""

from collections.abc import Sequence

from edgeseg_converters.chain import Image
from edgeseg_converters.fitting.columns import Matrix, Unrolled
from edgeseg_converters.fitting.moments import Moments
from edgeseg_converters.fitting.walk import Original, follow, varied
from edgeseg_converters.network import Network
from edgeseg_converters.prune.filters import FilterPruning


def refit(pruning: FilterPruning, whole: Network, images: Sequence[Image]) -> Network:
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
