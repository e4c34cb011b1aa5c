"""Padding of row tiles: only where the image is padded, so that no useless rows are computed."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from edgeseg.network.graph import Layer
from edgeseg_converters.layers.registry import kind_of
from edgeseg_converters.layers.rows import RowMap, Rows

Padding: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
"""Rows above and below, columns left and right."""


def explicit_padding(layer: Layer, rows: RowMap, tile: Rows) -> Padding | None:
    """Return the padding before a convolution that then has none of its own, if that saves rows.

    TFLite pads all sides or none. With its own padding a convolution makes rows at the edges
    between tiles that nobody may read; without, its input is padded before. XNNPACK takes both
    for one operation, which copies nothing.

    Parameters
    ----------
    layer
        The whole layer.
    rows
        Its arithmetic.
    tile
        Rows that it reads.

    Returns
    -------
    Padding or None
        None where the layer pads by itself.
    """
    slides = kind_of(layer.kind).kernel.slides
    if not slides or layer.config["padding"] != "same" or rows.step > 1:
        return None
    above = -rows.low if tile.start == 0 else 0
    below = rows.high if tile.stop == rows.height else 0
    if above + below == rows.high - rows.low:
        return None
    across = (layer.config["kernel_size"][1] - 1) * layer.config["dilation_rate"][1]
    return (above, below), (across // 2, across - across // 2)


def without_padding(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a convolution whose input is padded already."""
    return {**config, "padding": "valid"}


def rows_of_padded(rows: RowMap, tile: Rows) -> Rows:
    """Return the output rows of a tile with explicit padding.

    Parameters
    ----------
    rows
        Arithmetic of the layer.
    tile
        Rows that it reads, without the padding.
    """
    start = 0 if tile.start == 0 else tile.start - rows.low
    return Rows(start, rows.made_height if tile.stop == rows.height else tile.stop - rows.high)
