"""How kinds of layers treat the rows of an image: the choices for ``LayerKind.rows``."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from edgeseg.bundle.manifest import ROW_AXIS
from edgeseg_converters.layers.operators import ELEMENTWISE
from edgeseg_converters.layers.rows import RowMap, Shift

Config: TypeAlias = Mapping[str, Any]

_IMAGE_RANK = 4


def each_row(config: Config, height: int, made_height: int) -> RowMap | str:
    """Compute every row for itself."""
    axes = config.get("axis", -1)
    if ROW_AXIS in (axes if isinstance(axes, list) else [axes]):
        return "works across rows"
    return RowMap(1, 1, 0, 0, 0, height, made_height)


def all_rows(_: Config, __: int, ___: int) -> RowMap | str:
    """Read the whole image for every row."""
    return "needs all rows at once"


def each_row_with_shared_slopes(config: Config, height: int, made_height: int) -> RowMap | str:
    """Compute every row for itself if all rows have the same slopes (PReLU)."""
    if ROW_AXIS not in (config["shared_axes"] or ()):
        return "has slopes for each row"
    return each_row({}, height, made_height)


def rows_of_function(config: Config, height: int, made_height: int) -> RowMap | str:
    """Compute every row for itself if the function of an operator does.

    That is so where it works value by value, and where its axes or its key leave rows alone.
    """
    constants = [known["constant"] for known in config["operands"] if "constant" in known]
    same = all(
        len(shape) < _IMAGE_RANK - ROW_AXIS or shape[ROW_AXIS - _IMAGE_RANK] == 1
        for shape in constants
    )
    if same and _leaves_rows_apart(config["function"], config["options"]):
        return each_row({}, height, made_height)
    return all_rows({}, 0, 0)


def _leaves_rows_apart(function: str, options: Config) -> bool:
    """Tell whether a function makes a row of an image of that row alone."""
    if function in ELEMENTWISE:
        return True
    if function == "transpose":
        return False
    if function == "slice":
        key = options["key"]
        return len(key) > ROW_AXIS and key[ROW_AXIS] == [] and not isinstance(key[0], int)
    axes = options.get("axes", options.get("axis", ROW_AXIS))
    return ROW_AXIS not in (axes if isinstance(axes, list) else [axes])


def sliding(size: str) -> Callable[[Config, int, int], RowMap]:
    """Slide a kernel, whose extents the setting ``size`` holds, over the rows.

    Parameters
    ----------
    size
        Name of the setting with the extents, such as ``kernel_size``.

    Returns
    -------
    callable
        The choice for ``LayerKind.rows``.
    """

    def flow(config: Config, height: int, made_height: int) -> RowMap:
        stride, dilation = config["strides"][0], config.get("dilation_rate", [1])[0]
        reach = (config[size][0] - 1) * dilation
        if config["padding"] == "valid":
            return RowMap(stride, 1, 0, reach, reach, height, made_height)
        before = max((made_height - 1) * stride + reach + 1 - height, 0) // 2
        return RowMap(stride, 1, -before, reach - before, 0, height, made_height)

    return flow


def transposed(config: Config, height: int, made_height: int) -> RowMap | str:
    """Spread every row over the rows that a transposed convolution makes of it."""
    size, stride = config["kernel_size"][0], config["strides"][0]
    if config["output_padding"] is not None or config["dilation_rate"][0] != 1:
        return "is dilated or pads its output"
    overlap = max(size - stride, 0)
    before, lost = (0, -overlap) if config["padding"] == "valid" else (overlap // 2, 0)
    return RowMap(1, stride, before - overlap, before, lost, height, made_height)


def enlarged(config: Config, height: int, made_height: int) -> RowMap | str:
    """Repeat every row, or interpolate between it and its neighbours.

    Weights of an interpolation by a factor that is no power of two are rounded, in a tile
    otherwise than in the whole image.
    """
    factor, interpolation = config["size"][0], config["interpolation"]
    if interpolation == "nearest":
        return RowMap(1, factor, 0, 0, 0, height, made_height)
    if interpolation == "bilinear" and factor & (factor - 1):
        return "interpolates by a factor that is no power of two"
    if interpolation == "bilinear":
        low = (1 - factor) // 2  # rounded down, so that the two rows are there for every factor
        return RowMap(1, factor, low, low + factor, 0, height, made_height)
    return f"interpolates {interpolation}"


def shifted(key: str, sign: int) -> Callable[[Config, int, int], Shift]:
    """Take away rows at the edges (``sign`` 1) or add them (-1), as the setting ``key`` says.

    Parameters
    ----------
    key
        Name of the setting with rows and columns at each edge.
    sign
        1 where they go away, -1 where they are added.

    Returns
    -------
    callable
        The choice for ``LayerKind.rows``.
    """

    def flow(config: Config, height: int, made_height: int) -> Shift:
        low = sign * config[key][0][0]
        return Shift(1, 1, low, low, 0, height, made_height)

    return flow
