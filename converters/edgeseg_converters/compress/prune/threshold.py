"""Algorithm II of Rao et al. 2023 (doi 10.20944/preprints202308.0888.v1): threshold pruning."""

import numpy as np

from edgeseg.errors import UsageError, field_name
from edgeseg_converters.compress.fitting.im2col import Kernel
from edgeseg_converters.compress.prune.kernels import with_kernels
from edgeseg_converters.network import Network


def prune_below_threshold(network: Network, ratio: float) -> Network:
    """Zero the weights of each kernel whose magnitude is below ``ratio`` standard deviations.

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
        raise UsageError(
            f"{field_name('prune_ratio')} is {ratio}; give a number of at least 0, such as 0.5"
        )
    return with_kernels(network, lambda _, kernel: _prune(kernel, ratio))


def _prune(kernel: Kernel, ratio: float) -> Kernel:
    return np.where(np.abs(kernel) < ratio * kernel.std(), np.float32(0), kernel)
