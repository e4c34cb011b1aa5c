"""Magnitude pruning: the smallest weights of each kernel, of all kernels, or of neighbours go."""

import numpy as np

from edgeseg_converters.compress.fitting.im2col import Kernel
from edgeseg_converters.compress.prune.kernels import kernels_of, with_kernels
from edgeseg_converters.compress.prune.threshold import prune_below_threshold
from edgeseg_converters.compress.recipe import Zeros
from edgeseg_converters.layers.registry import kind_of
from edgeseg_converters.network import Network


def zero_weights(network: Network, request: Zeros) -> Network:
    """Set small weights to zero; shapes, biases and statistics stay as they are.

    Every kernel takes part, the first and the last layer's too, as in Algorithm II. Of weights
    that are equally small, a share takes none rather than too many.

    Parameters
    ----------
    request
        ``threshold``: see :func:`prune_below_threshold`. ``layer``: the share of every kernel.
        ``global``: one threshold for all kernels, so that layers of small weights lose more.
        A ``pattern`` N:M keeps the N largest of each M neighbours along the input channels; where
        these are no multiple of M the last group is shorter and keeps N still, or all it has.

    Raises
    ------
    UsageError
        If the ratio is no number.
    """
    if request.pattern is not None:
        kept, group = map(int, request.pattern.split(":"))
        return with_kernels(
            network,
            lambda layer, kernel: keep_largest(
                kernel, kept, group, kind_of(layer.kind).kernel.input_axis
            ),
        )
    if request.scope == "threshold":
        return prune_below_threshold(network, request.ratio)
    if request.scope == "layer":
        return with_kernels(
            network, lambda _, kernel: _zero_below(kernel, _quantile([kernel], request.ratio))
        )
    kernels = [
        kernel for layer in network.graph.layers for kernel in kernels_of(layer, network.weights)
    ]
    threshold = _quantile(kernels, request.ratio)
    return with_kernels(network, lambda _, kernel: _zero_below(kernel, threshold))


def keep_largest(kernel: Kernel, kept: int, group: int, axis: int) -> Kernel:
    """Zero all but the largest magnitudes of each group of neighbours along an axis.

    Of equal magnitudes the earlier one is kept.

    Parameters
    ----------
    kernel
        Of any shape.
    kept
        How many weights of a group stay.
    group
        How many neighbours make a group.
    axis
        Axis along which they are neighbours.
    """
    lanes = np.moveaxis(np.abs(kernel), axis, -1)
    count = lanes.shape[-1]
    # What fills up the last group is smaller than any magnitude.
    width = [(0, 0)] * (lanes.ndim - 1) + [(0, -count % group)]
    groups = np.pad(lanes, width, constant_values=-1).reshape(*lanes.shape[:-1], -1, group)
    order = np.argsort(-groups, axis=-1, kind="stable")
    stays = np.zeros(groups.shape, np.bool_)
    np.put_along_axis(stays, order[..., :kept], values=True, axis=-1)
    flat = stays.reshape(*lanes.shape[:-1], -1)[..., :count]
    return np.where(np.moveaxis(flat, -1, axis), kernel, np.float32(0))


def _quantile(kernels: list[Kernel], share: float) -> np.float32:
    """Return the magnitude that just this share of the weights is below."""
    magnitudes = np.concatenate([np.abs(kernel).ravel() for kernel in kernels])
    place = int(share * magnitudes.size)
    magnitudes.partition(place)
    return np.float32(magnitudes[place])


def _zero_below(kernel: Kernel, threshold: np.float32) -> Kernel:
    return np.where(np.abs(kernel) < threshold, np.float32(0), kernel)
