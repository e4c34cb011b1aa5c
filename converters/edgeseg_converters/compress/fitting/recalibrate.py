"""Recalibrates batch normalization: statistics of what reaches it, without training."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError, field_name
from edgeseg.network.graph import Layer
from edgeseg.progress import Progress, silent
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.fitting.im2col import Matrix
from edgeseg_converters.compress.forward import Forward
from edgeseg_converters.layers.registry import kind_of
from edgeseg_converters.network import Network


def recalibrate(
    network: Network, images: Sequence[ModelInput], progress: Progress = silent
) -> Network:
    """Set the moving mean and variance of every batch normalization to those of these images.

    The layers are taken in order, so that each one's statistics are those of what the layers
    before it, recalibrated already, make of all images together. Exact, whatever the momentum;
    all other weights stay. The tensors alive at one layer are held for all images at once.

    Parameters
    ----------
    images
        Unlabelled slices as model inputs, (1, H, W, C) each.
    progress
        Told how far the work is.

    Returns
    -------
    Network
        The same object where there is no batch normalization.

    Raises
    ------
    UsageError
        If there is batch normalization and no image.
    """
    norms = [layer for layer in network.graph.layers if kind_of(layer.kind).batch_statistics]
    if not norms:
        return network
    if not images:
        raise UsageError(
            f"pruning a network with batch normalization needs {field_name('calibration')}"
        )
    forward = Forward(network.graph, images)
    with progress(len(norms), "recalibrating batch normalization") as advance:
        for layer in norms:
            network = _with_statistics(network, layer, forward.reach(layer, network.weights))
            advance()
    return network


def _with_statistics(
    network: Network, layer: Layer, arrays: Sequence[NDArray[np.float32]]
) -> Network:
    """Put the mean and variance of what the layer reads in place of its last two arrays."""
    mean, variance = _statistics(arrays, layer.config["axis"])
    trained = network.weights[layer.name][:-2]
    return replace(network, weights={**network.weights, layer.name: (*trained, mean, variance)})


def with_shifted_statistics(
    network: Network,
    layer: Layer,
    arrays: Sequence[NDArray[np.float32]],
    originals: Sequence[NDArray[np.float32]],
) -> Network:
    """Shift a batch norm's mean and scale its variance as its input has changed on these images.

    Statistics of training differ from those of a few images; the difference is kept: where the
    input has not changed, the statistics stay the layer's own.

    Parameters
    ----------
    layer
        The batch norm.
    arrays, originals
        Its input now, and when its statistics were right, of the same images.
    """
    *trained, mean, variance = network.weights[layer.name]
    axis, epsilon = layer.config["axis"], np.float32(layer.config["epsilon"])
    (mean_now, variance_now), (mean_before, variance_before) = (
        _statistics(batch, axis) for batch in (arrays, originals)
    )
    factor = (variance_now + epsilon) / (variance_before + epsilon)
    shifted = (
        *trained,
        mean + (mean_now - mean_before),
        np.maximum((variance + epsilon) * factor - epsilon, 0),
    )
    return replace(network, weights={**network.weights, layer.name: shifted})


def _statistics(
    arrays: Sequence[NDArray[np.float32]], axis: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and variance over all arrays, which have one shape, along every other axis."""
    values = (_two_moments(array, axis) for array in arrays)
    means, within = (np.stack(moments) for moments in zip(*values, strict=True))
    variance = within.mean(axis=0) + means.var(axis=0)
    return means.mean(axis=0).astype(np.float32), variance.astype(np.float32)


def _two_moments(array: NDArray[np.float32], axis: int) -> tuple[Matrix, Matrix]:
    """Return mean and variance along every axis but one, (C,) each, in double precision."""
    values = np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis]).astype(np.float64)
    mean = values.mean(axis=0)
    values -= mean
    return mean, np.einsum("sc,sc->c", values, values) / len(values)
