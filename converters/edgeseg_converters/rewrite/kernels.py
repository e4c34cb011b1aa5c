"""The same sums in the order that LiteRT's kernels are quickest at: equal bits, less time.

XNNPACK reads a kernel anew for every few pixels. Measured with LiteRT 2.3 on one x86 core, with
1 MiB of second-level and 32 MiB of third-level cache, on the paper's U-Net at 256 x 256: its
transposed convolutions take 43 instead of 81 ms, two of its heaviest convolutions 142 instead of
166 ms, of about 1000 ms in all. Parts of 640 KiB are a little quicker still, but the network then
keeps 27 MiB more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.graph import ITEM_SIZE, Layer, WeightSpec
from edgeseg.units import MIB
from edgeseg_converters.fusion import fused_groups
from edgeseg_converters.network import Network

HEAVIEST = 9 * MIB
"""Bytes of a kernel that stay in a cache while it passes over the image; more come from memory."""

_VECTOR = 16
_BY_VALUE = frozenset({"linear", "relu", "relu6"})
_Arrays = tuple[NDArray[np.float32], ...]


def quickened(network: Network) -> Network:
    """Rewrite what LiteRT is slow at; every output value is the same sum, bit by bit.

    A transposed convolution whose windows do not overlap becomes a convolution of one pixel that
    makes the channels of all pixels of a window, which then move to their places. A convolution
    of a heavy kernel becomes several, each of some of its output channels.

    Parameters
    ----------
    network
        A graph, whole or a piece, and at least its weights.
    """
    layers: list[Layer] = []
    weights = dict(network.weights)
    graph = network.graph
    for names in fused_groups(graph):
        group = [graph.layer(name) for name in names]
        made = _at_its_places(group, weights) or _in_parts(group, weights) or group
        layers.extend(made)
    return Network(replace(graph, layers=tuple(layers)), weights)


def _at_its_places(group: Sequence[Layer], weights: dict[str, _Arrays]) -> list[Layer] | None:
    """Rewrite a transposed convolution, with the activation behind it if there is one."""
    layer, *behind = group
    if layer.kind != "Conv2DTranspose" or not _apart(layer.config):
        return None
    if len(behind) > 1 or not all(one.kind == "ReLU" for one in behind):
        return None
    factor = layer.config["strides"][0]
    kernel, *bias = weights[layer.name]
    channels = kernel.shape[-1]
    batch, height, width, filters = layer.output.shape
    name = f"{layer.name}.pixels"
    shape = (batch, height // factor, width // factor, filters * factor**2)
    flat = np.transpose(kernel, (3, 0, 1, 2)).reshape(1, 1, channels, -1)
    weights[name] = (flat, *(np.tile(one, factor**2) for one in bias))
    config = _kept(layer.config) | {"filters": shape[-1], "kernel_size": [1, 1], "strides": [1, 1]}
    made = [
        replace(
            layer,
            name=name,
            kind="Conv2D",
            output=replace(layer.output, name=name, shape=shape),
            config=config,
            weights=_specs(layer, weights[name]),
        )
    ]
    for one in behind:
        name = f"{one.name}.pixels"
        output = replace(one.output, name=name, shape=shape)
        made.append(replace(one, name=name, inputs=(made[-1].name,), output=output))
    placed = {"block_size": factor}
    return [*made, Layer(group[-1].name, "DepthToSpace", (name,), group[-1].output, placed)]


def _apart(config: Mapping[str, Any]) -> bool:
    """Tell whether every output pixel of a transposed convolution is of one window."""
    kernel, strides = list(config["kernel_size"]), list(config["strides"])
    return (
        kernel == strides
        and kernel[0] == kernel[1] > 1
        and config.get("output_padding") is None
        and list(config.get("dilation_rate", (1, 1))) == [1, 1]
        and config["activation"] in _BY_VALUE
        and config.get("data_format") != "channels_first"
    )


def _kept(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a transposed convolution that a plain one has too."""
    return {key: value for key, value in config.items() if key != "output_padding"}


def _in_parts(group: Sequence[Layer], weights: dict[str, _Arrays]) -> list[Layer] | None:
    """Divide a convolution by its output channels, with what is computed of each of them."""
    layer = group[0]
    if layer.kind != "Conv2D" or layer.config.get("groups", 1) != 1:
        return None
    if not all(_each_channel(one) for one in group[1:]) or not _by_channel(layer.config):
        return None
    filters = layer.output.shape[-1]
    count = _parts(ITEM_SIZE["float32"] * weights[layer.name][0].size, filters)
    if count == 1:
        return None
    step = filters // count
    made: list[Layer] = []
    ends = []
    for number in range(count):
        source = layer.inputs[0]
        for one in group:
            part = _part(one, source, number, step, weights)
            made.append(part)
            source = part.name
        ends.append(source)
    end = group[-1]
    return [*made, Layer(end.name, "Concatenate", tuple(ends), end.output, {"axis": -1})]


def _parts(size: int, filters: int) -> int:
    """Return the fewest equal parts of a kernel that are none too heavy; 1 if there are none.

    Of fewer than a vector's channels TensorFlow folds a batch norm to other last bits.
    """
    if size <= HEAVIEST:
        return 1
    divisors = (count for count in range(2, filters) if filters % (count * _VECTOR) == 0)
    return next((count for count in divisors if size <= count * HEAVIEST), 1)


def _part(layer: Layer, source: str, number: int, step: int, weights: dict[str, _Arrays]) -> Layer:
    name = f"{layer.name}.part{number}"
    output = replace(layer.output, name=name, shape=(*layer.output.shape[:-1], step))
    config = dict(layer.config)
    if "filters" in config:
        config["filters"] = step
    made = replace(layer, name=name, inputs=(source,), output=output, config=config)
    if not layer.weights:
        return made
    some = slice(number * step, (number + 1) * step)
    weights[name] = tuple(array[..., some] for array in weights[layer.name])
    return replace(made, weights=_specs(layer, weights[name]))


def _by_channel(config: Mapping[str, Any]) -> bool:
    return config["activation"] in _BY_VALUE


def _each_channel(layer: Layer) -> bool:
    """Tell whether a layer computes each channel for itself."""
    if layer.kind == "BatchNormalization":
        axis = layer.config.get("axis", -1)
        return axis in (-1, [-1], len(layer.output.shape) - 1, [len(layer.output.shape) - 1])
    if layer.kind == "Activation":
        return layer.config["activation"] in _BY_VALUE
    return layer.kind == "ReLU"


def _specs(layer: Layer, arrays: _Arrays) -> tuple[WeightSpec, ...]:
    return tuple(
        replace(spec, shape=array.shape) for spec, array in zip(layer.weights, arrays, strict=True)
    )
