"""Pads a tile only where the image is padded, so that a convolution makes no rows of no use."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from edgeseg.graph import Layer
from edgeseg_converters.rewrite.rows import RowMap, Rows

Margins: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
"""Rows above and below, columns left and right."""

_CONVOLUTIONS = frozenset({"Conv2D", "DepthwiseConv2D", "SeparableConv2D"})
_FLOPS_A_BYTE = 16
"""About what a core computes while it copies a byte: on x86 some 20, on a Cortex-A72 some 4."""


def margins(layer: Layer, rows: RowMap, tile: Rows, shape: Sequence[int]) -> Margins | None:
    """Return the padding that lets a convolution do without its own, where that is worth it.

    TFLite pads all sides or none. With its own padding a convolution makes rows at the edges
    between tiles that nobody may read; without, its input must be padded before, which copies
    it. Deep in a network tiles are thin, rows dear and copies small.

    Parameters
    ----------
    layer
        The whole layer.
    rows
        Its arithmetic.
    tile
        Rows that it reads.
    shape
        Shape of its whole input.

    Returns
    -------
    Margins or None
        None where the layer is to pad.
    """
    if layer.kind not in _CONVOLUTIONS or layer.config["padding"] != "same" or rows.step > 1:
        return None
    reach = rows.high - rows.low
    above = -rows.low if tile.start == 0 else 0
    below = rows.high if tile.stop == rows.height else 0
    useless = reach - above - below
    kernels = sum(weight.elements for weight in layer.weights if weight.name.endswith("kernel"))
    # Both figures are of one column of the tile.
    if 2 * kernels * useless <= _FLOPS_A_BYTE * 4 * tile.count * shape[-1]:
        return None
    across = (layer.config["kernel_size"][1] - 1) * layer.config["dilation_rate"][1]
    return (above, below), (across // 2, across - across // 2)


def without_padding(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a convolution whose input is padded already."""
    return {**config, "padding": "valid"}


def rows_made(rows: RowMap, tile: Rows) -> Rows:
    """Return the output rows of a tile that is padded with its margins."""
    start = 0 if tile.start == 0 else tile.start - rows.low
    return Rows(start, rows.made_height if tile.stop == rows.height else tile.stop - rows.high)
