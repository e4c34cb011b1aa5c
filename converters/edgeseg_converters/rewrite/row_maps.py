"""How each kind of layer treats the rows of an image, or why its rows can't be divided."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from edgeseg.bundle.manifest import ROW_AXIS
from edgeseg.network.graph import Graph, Layer
from edgeseg_converters.rewrite.rows import RowMap, Shift

Config: TypeAlias = Mapping[str, Any]
Reading: TypeAlias = Callable[[Config, int, int], RowMap | str]
"""Takes settings and the rows of input and output."""

_IMAGE_AXES = 4
_ROW_BY_ROW = (
    *("Activation", "Add", "Average", "BatchNormalization", "Concatenate", "Dense", "ELU"),
    *("LayerNormalization", "LeakyReLU", "Maximum", "Minimum", "Multiply", "ReLU", "Rescaling"),
    *("Softmax", "Subtract"),
)


def row_map(graph: Graph, layer: Layer) -> RowMap | str:
    """Work out how a layer treats rows.

    Parameters
    ----------
    graph
        The graph that holds the tensors the layer reads.
    layer
        A layer of that graph.

    Returns
    -------
    RowMap or str
        Its arithmetic, or why its rows can't be divided. An input of one row that is spread over
        all rows is read whole, whatever the arithmetic says.
    """
    heights = [rows_of(graph.tensors[name].shape) for name in layer.inputs]
    made = rows_of(layer.output.shape)
    if None in heights or made is None:
        return "has no rows"
    reading = _READINGS.get(layer.kind)
    if reading is None:
        return "needs all rows at once"
    return reading(layer.config, max(filter(None, heights)), made)


def rows_of(shape: Sequence[int]) -> int | None:
    """Count the rows of a tensor (N, H, W, C); None if it is no image."""
    return shape[ROW_AXIS] if len(shape) == _IMAGE_AXES else None


def _each(config: Config, height: int, made: int) -> RowMap | str:
    """Every row for itself."""
    axes = config.get("axis", -1)
    if ROW_AXIS in (axes if isinstance(axes, list) else [axes]):
        return "works across rows"
    return RowMap(1, 1, 0, 0, 0, height, made)


def _prelu(config: Config, height: int, made: int) -> RowMap | str:
    if ROW_AXIS not in (config["shared_axes"] or ()):
        return "has slopes for each row"
    return _each({}, height, made)


def _window(config: Config, height: int, made: int, *, size: str) -> RowMap:
    stride, dilation = config["strides"][0], config.get("dilation_rate", [1])[0]
    reach = (config[size][0] - 1) * dilation
    if config["padding"] == "valid":
        return RowMap(stride, 1, 0, reach, reach, height, made)
    before = max((made - 1) * stride + reach + 1 - height, 0) // 2
    return RowMap(stride, 1, -before, reach - before, 0, height, made)


def _transposed(config: Config, height: int, made: int) -> RowMap | str:
    size, stride = config["kernel_size"][0], config["strides"][0]
    if config["output_padding"] is not None or config["dilation_rate"][0] != 1:
        return "is dilated or pads its output"
    more = max(size - stride, 0)
    before, lost = (0, -more) if config["padding"] == "valid" else (more // 2, 0)
    return RowMap(1, stride, before - more, before, lost, height, made)


def _enlarged(config: Config, height: int, made: int) -> RowMap | str:
    factor, how = config["size"][0], config["interpolation"]
    if how == "nearest":
        return RowMap(1, factor, 0, 0, 0, height, made)
    if how == "bilinear":
        low = (1 - factor) // 2  # rounded down, so that the two rows are there for every factor
        return RowMap(1, factor, low, low + factor, 0, height, made)
    return f"interpolates {how}"


def _shifted(config: Config, height: int, made: int, *, key: str, sign: int) -> RowMap:
    low = sign * config[key][0][0]
    return Shift(1, 1, low, low, 0, height, made)


_READINGS: Mapping[str, Reading] = {
    **dict.fromkeys(_ROW_BY_ROW, _each),
    **dict.fromkeys(
        ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "WinogradConv2D"),
        partial(_window, size="kernel_size"),
    ),
    **dict.fromkeys(("AveragePooling2D", "MaxPooling2D"), partial(_window, size="pool_size")),
    "Conv2DTranspose": _transposed,
    "Cropping2D": partial(_shifted, key="cropping", sign=1),
    "PReLU": _prelu,
    "UpSampling2D": _enlarged,
    "ZeroPadding2D": partial(_shifted, key="padding", sign=-1),
}
"""Kinds whose rows can be divided; any other needs all rows at once."""
