"""How much each channel matters: by its weights, by its batch norm, or by what losing it costs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError, field_name
from edgeseg.network.graph import Layer, WeightSpec
from edgeseg.progress import Progress, silent
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.calibration import evenly_spaced
from edgeseg_converters.compress.prune.kernels import is_kernel
from edgeseg_converters.keras.logits import ends_in_softmax
from edgeseg_converters.keras.quiet import import_tensorflow
from edgeseg_converters.keras.rebuild import build
from edgeseg_converters.layers.registry import kind_of
from edgeseg_converters.network import Network
from edgeseg_converters.rewrite.channel_classes import (
    Channels,
    Classes,
    makes_channels,
    weight_axes,
)
from edgeseg_converters.rewrite.subsampling import select_before_points

_SLICES = 64
"""More hardly change the ranking."""

ChannelScores: TypeAlias = NDArray[np.float64]
"""The importance of every class of channels, at least 0; comparable within a group alone."""


def by_l1(
    network: Network,
    channels: Channels,
    _: Sequence[ModelInput] = (),
    __: Progress = silent,
) -> ChannelScores:
    """Add up the magnitudes of the weights that make a channel, over all layers that make it.

    References
    ----------
    Li et al. 2017, "Pruning Filters for Efficient ConvNets".
    """
    scores = np.zeros(channels.count)
    for layer, spec, array in _arrays(network):
        if not (makes_channels(layer) and is_kernel(spec)):
            continue
        for axis, classes in weight_axes(layer, spec, channels.tensors).items():
            if classes is channels.tensors[layer.name]:
                others = tuple(other for other in range(array.ndim) if other != axis)
                scores += _per_class(channels, classes, np.abs(array).sum(axis=others))
    return scores


def by_batch_norm(
    network: Network,
    channels: Channels,
    _: Sequence[ModelInput] = (),
    __: Progress = silent,
) -> ChannelScores:
    """Add up the magnitudes of the scales (gamma) that batch norm gives a channel.

    A group that no batch norm scales is ranked by :func:`by_l1`.

    Raises
    ------
    UsageError
        If no batch norm scales anything.

    References
    ----------
    Liu et al. 2017, "Learning Efficient Convolutional Networks through Network Slimming".
    """
    scales, norms = np.zeros(channels.count), np.zeros(channels.count)
    for layer, spec, array in _arrays(network):
        if kind_of(layer.kind).batch_statistics and spec.name == "gamma":
            for classes in weight_axes(layer, spec, channels.tensors).values():
                scales += _per_class(channels, classes, np.abs(array))
                norms += _per_class(channels, classes, np.ones_like(array))
    if not norms.any():
        raise UsageError(
            "importance 'batch_norm' needs batch norm, and the model scales by none; "
            "use 'l1' or 'taylor'"
        )
    scores = by_l1(network, channels)
    for group in channels.groups:
        if norms[group.classes].all():
            scores[group.classes] = scales[group.classes]
    return scores


def by_taylor(
    network: Network,
    channels: Channels,
    images: Sequence[ModelInput],
    progress: Progress = silent,
) -> ChannelScores:
    """Estimate to first order how the loss changes if a channel becomes zero everywhere.

    That is the sum of activation times gradient over a slice, its magnitude added up over the
    slices. No labels are needed: the loss is the cross-entropy between the output and its own
    decision (0 or 1 at one half, the most probable channel of a softmax), so a channel matters
    that the network's doubts hang on.

    Parameters
    ----------
    images
        Calibration slices, (1, H, W, C) float32 in 0..1; of many, some evenly spaced are taken.
    progress
        Told how many slices are done.

    Raises
    ------
    UsageError
        If there are no images.

    References
    ----------
    Molchanov et al. 2017, "Pruning Convolutional Neural Networks for Resource Efficient
    Inference".
    """
    if not images:
        raise UsageError(
            f"importance 'taylor' looks at slices; give {field_name('calibration')} with a "
            "folder of PNG slices or a NIfTI file"
        )
    images = evenly_spaced(images, _SLICES)
    makers = tuple(dict.fromkeys(layer for group in channels.groups for layer in group.layers))
    outputs = (*network.graph.outputs, *makers)
    watched = replace(network, graph=replace(network.graph, outputs=outputs))
    model = build(select_before_points(watched), "taylor")
    softmax = ends_in_softmax(network.graph)
    scores = np.zeros(channels.count)
    with progress(len(images), "ranking filters") as advance:
        for image in images:
            change = np.zeros(channels.count)
            for name, effect in zip(makers, _effects(model, image, softmax=softmax), strict=True):
                change += _per_class(channels, channels.tensors[name], effect)
            scores += np.abs(change)
            advance()
    return scores


Importance: TypeAlias = Callable[[Network, Channels, Sequence[ModelInput], Progress], ChannelScores]
"""Scores the channels of a network; slices are looked at by some measures alone."""

IMPORTANCES: Mapping[str, Importance] = {
    "l1": by_l1,
    "batch_norm": by_batch_norm,
    "taylor": by_taylor,
}
"""Measures of importance by their name in a recipe."""


def _arrays(network: Network) -> Iterator[tuple[Layer, WeightSpec, NDArray[np.float32]]]:
    for layer in network.graph.layers:
        for spec, array in zip(layer.weights, network.weights.get(layer.name, ()), strict=True):
            yield layer, spec, array


def _per_class(channels: Channels, classes: Classes, values: NDArray[Any]) -> ChannelScores:
    """Add up the values of each class."""
    return np.asarray(np.bincount(classes, values, channels.count), np.float64)


def _effects(model: Any, image: ModelInput, *, softmax: bool) -> list[NDArray[np.float32]]:
    """Return activation times gradient, summed to one number a channel, of each inner output.

    The model runs eagerly: in graph mode oneDNN may fuse a convolution, a sum and a leaky ReLU
    wrongly (TensorFlow 2.21).
    """
    tensorflow = import_tensorflow()
    with tensorflow.GradientTape() as tape:
        output, *tensors = tensorflow.nest.flatten(model([image], training=False))
        # The cross-entropy of a decision is the logarithm of its probability.
        probability = (
            tensorflow.reduce_max(output, axis=-1)
            if softmax
            else tensorflow.maximum(output, 1 - output)
        )
        loss = -tensorflow.reduce_mean(tensorflow.math.log(probability))
    zero = tensorflow.UnconnectedGradients.ZERO
    gradients = tape.gradient(loss, tensors, unconnected_gradients=zero)
    return [
        (tensor * gradient).numpy().reshape(-1, tensor.shape[-1]).sum(axis=0)
        for tensor, gradient in zip(tensors, gradients, strict=True)
    ]
