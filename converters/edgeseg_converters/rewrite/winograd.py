"""Replaces 3x3 convolutions by Winograd's F(2, 3) along rows: a third fewer multiplications.

Lavin and Gray 2016, "Fast algorithms for convolutional neural networks", arXiv:1509.09308. Results
are equal but for rounding. Two neighbouring pixels of a row share four products that would be six;
see :mod:`edgeseg_converters.keras.winograd_conv2d`. Rows stay apart, so that a tile of rows
computes the very bits that the whole image does. The kernels take a third more bytes.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg.network.graph import Layer, WeightSpec
from edgeseg_converters.fusion import fused_groups
from edgeseg_converters.network import Network

MIN_CHANNELS = 128
"""Channels that a convolution reads and makes at least; with fewer, sums outweigh products."""

MAX_ZEROS = 0.1
"""Share of a kernel that may be zero: four kernels keep none of them, and then pack worse."""

WINOGRAD_NOTE = f"3x3 convolutions of {MIN_CHANNELS} channels and more take a third fewer products"
"""A note for the user."""

_SIZE = [3, 3]
_ACTIVATIONS = frozenset({"linear", "relu"})
_Arrays: TypeAlias = tuple[NDArray[np.float32], ...]


def to_winograd(network: Network) -> Network:
    """Replace 3x3 convolutions of many channels, with the batch norm and the ReLU behind them.

    Parameters
    ----------
    network
        Graph and weights, to be computed in float32.
    """
    layers: list[Layer] = []
    weights = dict(network.weights)
    for names in fused_groups(network.graph):
        group = [network.graph.layer(name) for name in names]
        while group:
            count = 1
            if _suits(network, group[0]):
                count = _absorbed(group)
                layers.append(_rewritten(group[:count], weights))
            else:
                layers.append(group[0])
            group = group[count:]
    own = {layer.name: weights[layer.name] for layer in layers if layer.weights}
    return Network(replace(network.graph, layers=tuple(layers)), own)


def _suits(network: Network, layer: Layer) -> bool:
    config = layer.config
    if layer.kind != "Conv2D" or config["kernel_size"] != _SIZE or config["groups"] != 1:
        return False
    kernel = network.weights[layer.name][0]
    return (
        config["strides"] == config["dilation_rate"] == [1, 1]
        and config["activation"] in _ACTIVATIONS
        and layer.output.shape[2] % 2 == 0
        and min(kernel.shape[2:]) >= MIN_CHANNELS
        and bool(np.count_nonzero(kernel) >= (1 - MAX_ZEROS) * kernel.size)
    )


def _absorbed(group: Sequence[Layer]) -> int:
    """Count a convolution and those layers behind it that become part of it."""
    count = 1
    for layer in group[1:]:
        if _activation(group[:count]) != "linear" or not (_scales(layer) or _is_relu(layer)):
            break
        count += 1
    return count


def _activation(group: Sequence[Layer]) -> str:
    return "relu" if any(map(_is_relu, group)) else str(group[0].config["activation"])


def _scales(layer: Layer) -> bool:
    return layer.kind == "BatchNormalization" and layer.config["axis"] == -1


def _is_relu(layer: Layer) -> bool:
    if layer.kind == "Activation":
        return bool(layer.config["activation"] == "relu")
    plain: dict[str, Any] = {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}
    return layer.kind == "ReLU" and dict(layer.config) == plain


def _rewritten(group: Sequence[Layer], weights: dict[str, _Arrays]) -> Layer:
    """Return one layer for a convolution and the layers it absorbs, by the name of the last."""
    first, last = group[0], group[-1]
    kernel, *biases = (array.astype(np.float64) for array in weights[first.name])
    bias = biases[0] if biases else np.zeros(kernel.shape[-1])
    for layer in filter(_scales, group):
        scale, shift = _affine(layer, weights[layer.name])
        kernel, bias = kernel * scale, bias * scale + shift
    arrays = *_four(kernel), bias
    weights[last.name] = tuple(array.astype(np.float32) for array in arrays)
    names = (*(f"{number}_kernel" for number in range(len(arrays) - 1)), "bias")
    return Layer(
        last.name,
        "WinogradConv2D",
        first.inputs,
        last.output,
        {**first.config, "activation": _activation(group), "use_bias": True},
        tuple(WeightSpec(name, array.shape) for name, array in zip(names, arrays, strict=True)),
    )


def _four(kernel: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return the four kernels (3, 1, in, out) of one (3, 3, in, out)."""
    left, middle, right = (kernel[:, column : column + 1] for column in range(3))
    return left, (left + middle + right) / 2, (left - middle + right) / 2, right


def _affine(layer: Layer, arrays: _Arrays) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return factor and summand of a batch norm, (channels,) each."""
    named = {
        spec.name: array.astype(np.float64)
        for spec, array in zip(layer.weights, arrays, strict=True)
    }
    scale = 1 / np.sqrt(named["moving_variance"] + layer.config["epsilon"])
    scale = scale * named.get("gamma", 1.0)
    return scale, named.get("beta", 0.0) - named["moving_mean"] * scale
