"""Lowers convolutions to the forms that LiteRT computes fastest, with the same bits.

XNNPACK reads a kernel anew for every few pixels. Measured with LiteRT 2.3 on one x86 core, with
1 MiB of second-level and 32 MiB of third-level cache, on the paper's U-Net at 256 x 256: its
transposed convolutions take 43 instead of 81 ms, two of its heaviest convolutions 142 instead of
166 ms, of about 1000 ms in all. Parts of 640 KiB are a little quicker still, but the network then
keeps 27 MiB more.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeseg.network.graph import ITEM_SIZE, Layer, WeightSpec
from edgeseg.text.units import MIB
from edgeseg_converters.fusion import fused_groups
from edgeseg_converters.network import Network

MAX_KERNEL_BYTES = 9 * MIB
"""Bytes of a kernel that stay in a cache while it passes over the image; more come from memory."""

_VECTOR = 16
_BY_VALUE = frozenset({"linear", "relu", "relu6"})
_Arrays = tuple[NDArray[np.float32], ...]


def lower_for_litert(network: Network) -> Network:
    """Replace convolutions that LiteRT is slow at; every output value is the same sum, bit by bit.

    A transposed convolution whose kernel does not overlap itself becomes a 1x1 convolution that
    makes the channels of a block of pixels, which depth-to-space then moves to their places. A
    convolution of a heavy kernel becomes several, each of some of its output channels.

    Parameters
    ----------
    network
        A graph, whole or a piece, and at least its weights.

    Returns
    -------
    Network
        More layers; tensors that leave a group of fused layers keep their names.
    """
    layers: list[Layer] = []
    weights = dict(network.weights)
    graph = network.graph
    for names in fused_groups(graph):
        group = [graph.layer(name) for name in names]
        layers.extend(_as_depth_to_space(group, weights) or _in_parts(group, weights) or group)
    return Network(replace(graph, layers=tuple(layers)), weights)


def _as_depth_to_space(group: Sequence[Layer], weights: dict[str, _Arrays]) -> list[Layer] | None:
    """Replace a transposed convolution, and the ReLU behind it, by 1x1 and depth-to-space."""
    first, end = group[0], group[-1]
    if not _has_separate_outputs(first) or [layer.kind for layer in group[1:]] not in (
        [],
        ["ReLU"],
    ):
        return None
    factor = first.config["strides"][0]
    batch, height, width, filters = first.output.shape
    shape = (batch, height // factor, width // factor, filters * factor**2)
    replacement, source = list[Layer](), first.inputs[0]
    for layer in group:
        name = f"{layer.name}.pixels"
        output = replace(layer.output, name=name, shape=shape)
        replacement.append(replace(layer, name=name, inputs=(source,), output=output))
        source = name
    replacement[0] = _of_one_pixel(replacement[0], weights[first.name], weights)
    return [
        *replacement,
        Layer(end.name, "DepthToSpace", (source,), end.output, {"block_size": factor}),
    ]


def _of_one_pixel(layer: Layer, arrays: _Arrays, weights: dict[str, _Arrays]) -> Layer:
    """Return the 1x1 convolution of the kernel (H, W, out, in) of a transposed one."""
    kernel, *bias = arrays
    pixels = kernel.shape[0] * kernel.shape[1]
    flat = np.transpose(kernel, (3, 0, 1, 2)).reshape(1, 1, kernel.shape[3], -1)
    weights[layer.name] = (flat, *(np.tile(array, pixels) for array in bias))
    config = {key: value for key, value in layer.config.items() if key != "output_padding"}
    config |= {"filters": flat.shape[-1], "kernel_size": [1, 1], "strides": [1, 1], "groups": 1}
    return replace(layer, kind="Conv2D", config=config, weights=_specs(layer, weights[layer.name]))


def _has_separate_outputs(layer: Layer) -> bool:
    """Tell whether a layer is a transposed convolution whose outputs do not overlap."""
    if layer.kind != "Conv2DTranspose":
        return False
    (height, width), config = layer.config["kernel_size"], layer.config
    return (
        [height, width] == list(config["strides"])
        and height == width > 1
        and config["output_padding"] is None
        and list(config["dilation_rate"]) == [1, 1]
        and config["activation"] in _BY_VALUE
    )


def _in_parts(group: Sequence[Layer], weights: dict[str, _Arrays]) -> list[Layer] | None:
    """Divide a convolution by its output channels, with what is computed of each of them."""
    first = group[0]
    if first.kind != "Conv2D" or first.config["groups"] != 1:
        return None
    if first.config["activation"] not in _BY_VALUE or not all(
        map(_keeps_channels_apart, group[1:])
    ):
        return None
    filters = first.output.shape[-1]
    count = _parts(ITEM_SIZE["float32"] * weights[first.name][0].size, filters)
    if count == 1:
        return None
    step = filters // count
    parts: list[Layer] = []
    ends = []
    for number in range(count):
        source = first.inputs[0]
        for layer in group:
            part = _part(layer, source, number, step, weights)
            parts.append(part)
            source = part.name
        ends.append(source)
    end = group[-1]
    return [*parts, Layer(end.name, "Concatenate", tuple(ends), end.output, {"axis": -1})]


def _parts(size: int, filters: int) -> int:
    """Return the smallest number of equal parts of a kernel that fit a cache; 1 if there is none.

    Of fewer than a vector's channels TensorFlow folds a batch norm to other last bits.
    """
    if size <= MAX_KERNEL_BYTES:
        return 1
    divisors = (count for count in range(2, filters) if filters % (count * _VECTOR) == 0)
    return next((count for count in divisors if size <= count * MAX_KERNEL_BYTES), 1)


def _part(layer: Layer, source: str, number: int, step: int, weights: dict[str, _Arrays]) -> Layer:
    name = f"{layer.name}.part{number}"
    output = replace(layer.output, name=name, shape=(*layer.output.shape[:-1], step))
    config = dict(layer.config)
    if "filters" in config:
        config["filters"] = step
    part = replace(layer, name=name, inputs=(source,), output=output, config=config)
    if not layer.weights:
        return part
    channels = slice(number * step, (number + 1) * step)
    weights[name] = tuple(array[..., channels] for array in weights[layer.name])
    return replace(part, weights=_specs(layer, weights[name]))


def _keeps_channels_apart(layer: Layer) -> bool:
    """Tell whether each channel of a layer depends on the same channel of its input alone."""
    if layer.kind == "BatchNormalization":
        return list(np.ravel(layer.config.get("axis", -1))) in ([-1], [len(layer.output.shape) - 1])
    by_value = layer.kind == "Activation" and layer.config["activation"] in _BY_VALUE
    return by_value or layer.kind == "ReLU"


def _specs(layer: Layer, arrays: _Arrays) -> tuple[WeightSpec, ...]:
    return tuple(
        replace(spec, shape=array.shape) for spec, array in zip(layer.weights, arrays, strict=True)
    )
