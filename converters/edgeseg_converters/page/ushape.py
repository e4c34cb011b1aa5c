"""A network drawn as a U: blocks of layers by resolution, what flows between them, the cuts.

All lengths are in units of the drawing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from edgeseg_converters.reports.conversion import ConversionReport, LayerReport

_LAYER, _LEAST, _GAP = 7.0, 22.0, 10.0
"""Width of a layer, least width of a block, and distance of blocks."""

_STEP, _HEIGHT = 46.0, 26.0
"""Distance of a resolution and the half of it, and height of a block."""

_TOP, _BELOW, _MARGIN = 44.0, 30.0, 12.0
_RISE = 30.0
_MOST_LABELLED = 12


@dataclass(frozen=True)
class Block:
    """Neighbouring layers of one piece and one resolution.

    Attributes
    ----------
    piece
        Number of the piece.
    level
        Halvings of the image's columns.
    x, y, width, height
        Where it is drawn.
    """

    piece: int
    level: float
    layers: tuple[LayerReport, ...]
    x: float
    y: float
    width: float
    height: float = _HEIGHT

    @property
    def middle(self) -> float:
        """Height of its middle line."""
        return self.y + self.height / 2

    @property
    def says(self) -> str:
        """What it holds, in a line."""
        rows, cols, channels = self.layers[-1].shape[-3:]
        names = f"{self.layers[0].name} to {self.layers[-1].name}"
        if len(self.layers) == 1:
            names = self.layers[0].name
        return f"{names}: {rows} x {cols} x {channels}"


@dataclass(frozen=True)
class SkipPath:
    """A tensor from block to block, as the ``d`` of an SVG path."""

    path: str
    crosses: bool
    says: str


@dataclass(frozen=True)
class CutMark:
    """A place where the order of the layers is split, and the bytes of its crossing set."""

    x: float
    crossing_bytes: int


@dataclass(frozen=True)
class Span:
    """The name of a piece, and the middle of its blocks."""

    piece: int
    name: str
    middle: float


@dataclass(frozen=True)
class UShape:
    """A whole drawing."""

    blocks: tuple[Block, ...]
    flows: tuple[SkipPath, ...]
    cuts: tuple[CutMark, ...]
    spans: tuple[Span, ...]
    width: float
    height: float
    labelled: bool


def u_shape(report: ConversionReport) -> UShape:
    """Lay the network of a report out; a piece's layers stand side by side, in their order.

    Parameters
    ----------
    report
        With at least one layer, each of a piece that it names.
    """
    blocks = _blocks(report)
    home = {layer.name: number for number, block in enumerate(blocks) for layer in block.layers}
    deepest = max(block.y + block.height for block in blocks)
    return UShape(
        blocks=blocks,
        flows=tuple(_flows(blocks, home)),
        cuts=_cuts(blocks, home),
        spans=_spans(blocks, report),
        width=blocks[-1].x + blocks[-1].width + _MARGIN,
        height=deepest + _BELOW,
        labelled=len(report.pieces) - 1 <= _MOST_LABELLED,
    )


def _blocks(report: ConversionReport) -> tuple[Block, ...]:
    numbers = {piece.name: number for number, piece in enumerate(report.pieces)}
    widest = max(layer.shape[2] for layer in report.layers if len(layer.shape) == 4)
    blocks: list[Block] = []
    x, level = _MARGIN, 0.0

    def key(layer: LayerReport) -> tuple[int, float]:
        nonlocal level
        if len(layer.shape) == 4:
            level = max(0.0, math.log2(widest / layer.shape[2]))
        return numbers[layer.piece], level

    for (piece, depth), group in groupby(report.layers, key):
        layers = tuple(group)
        width = max(_LEAST, _LAYER * len(layers))
        blocks.append(Block(piece, depth, layers, x, _TOP + _STEP * depth, width))
        x += width + _GAP
    return tuple(blocks)


def _flows(blocks: Sequence[Block], home: dict[str, int]) -> list[SkipPath]:
    """Draw each tensor once to every block that reads it and does not make it."""
    pairs: dict[tuple[int, int], list[str]] = {}
    for reader, block in enumerate(blocks):
        for layer in block.layers:
            for tensor in layer.inputs:
                maker = home.get(tensor, reader)
                if maker != reader and tensor not in pairs.setdefault((maker, reader), []):
                    pairs[maker, reader].append(tensor)
    return [
        SkipPath(
            _path(blocks, maker, reader),
            blocks[maker].piece != blocks[reader].piece,
            ", ".join(tensors),
        )
        for (maker, reader), tensors in pairs.items()
    ]


def _path(blocks: Sequence[Block], maker: int, reader: int) -> str:
    """Draw a tensor straight at its height, or above blocks that are in the way."""
    start, end = blocks[maker], blocks[reader]
    left, right = start.x + start.width, end.x
    top = min(start.middle, end.middle)
    blocked = any(block.y <= top <= block.y + block.height for block in blocks[maker + 1 : reader])
    if not blocked and start.level == end.level:
        return f"M{left:.1f} {start.middle:.1f}H{right:.1f}"
    if reader == maker + 1:
        return f"M{left:.1f} {start.middle:.1f}L{right:.1f} {end.middle:.1f}"
    lifted = top - (_RISE if blocked else 0.0)
    third = (right - left) / 3
    return (
        f"M{left:.1f} {start.middle:.1f}C{left + third:.1f} {lifted:.1f} "
        f"{right - third:.1f} {lifted:.1f} {right:.1f} {end.middle:.1f}"
    )


def _cuts(blocks: Sequence[Block], home: dict[str, int]) -> tuple[CutMark, ...]:
    last_reader: dict[str, int] = {}
    for number, block in enumerate(blocks):
        for layer in block.layers:
            last_reader |= {tensor: number for tensor in layer.inputs if tensor in home}
    made_in = [(home[layer.name], layer) for block in blocks for layer in block.layers]
    return tuple(
        CutMark(
            blocks[number].x - _GAP / 2,
            sum(
                layer.crossing_bytes
                for maker, layer in made_in
                if maker < number <= last_reader.get(layer.name, -1)
            ),
        )
        for number in range(1, len(blocks))
        if blocks[number].piece != blocks[number - 1].piece
    )


def _spans(blocks: Sequence[Block], report: ConversionReport) -> tuple[Span, ...]:
    spans = []
    for number, piece in enumerate(report.pieces):
        own = [block for block in blocks if block.piece == number]
        if own:
            middle = (own[0].x + own[-1].x + own[-1].width) / 2
            spans.append(Span(number, piece.name.removeprefix("piece_"), middle))
    return tuple(spans)
