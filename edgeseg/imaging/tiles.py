"""Slices larger than a model's field in overlapping tiles, whose probabilities are averaged.

Tiles lie on a canvas: the model's grid, enlarged to hold the slice at the spacing that the model
was trained at. Where tiles overlap, those count more in whose middle a pixel lies. Sums are whole
numbers, so that the order in which tiles come back changes no bit.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Decoding, OutputField, Preprocessing
from edgeseg.errors import VolumeError
from edgeseg.imaging.levels import Levels
from edgeseg.imaging.slices import SliceGeometry

_SHARPNESS = 8
"""Standard deviations of the weights in a tile's side, as nnU-Net has it."""

_FULL_WEIGHT = 2**24
_ALMOST = 1e-6
_MOST_FIELDS = 1024
"""Largest slice, in fields; the canvas and its sums are held in memory."""


@dataclass(frozen=True)
class Tiling:
    """The canvas of a slice, and the tiles on it.

    Attributes
    ----------
    canvas, decoding
        What a model of the canvas's size would have as preprocessing and decoding.
    field
        Rows and columns of a tile.
    covered
        Rows and columns of the output of a tile.
    origins
        First row and column of each tile on the canvas, which are those of its output among the
        probabilities of the canvas, too.
    """

    canvas: Preprocessing
    decoding: Decoding
    field: tuple[int, int]
    covered: tuple[int, int]
    origins: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self.origins)

    def cut(self, levels: Levels, tile: int) -> Levels:
        """Return one tile (..., H, W) of the levels of a canvas (..., rows, columns)."""
        (top, left), (height, width) = self.origins[tile], self.field
        return levels[..., top : top + height, left : left + width]

    @property
    def made(self) -> tuple[int, int]:
        """Rows and columns of the probabilities of the canvas."""
        (rows, cols), (height, width), (tall, wide) = self.canvas.size, self.field, self.covered
        return rows - height + tall, cols - width + wide

    @cached_property
    def weights(self) -> NDArray[np.uint64]:
        """How much each pixel of a tile's output counts, (rows, columns), at least 1."""
        rows, cols = (_bell(extent) for extent in self.covered)
        weights = np.rint(_FULL_WEIGHT * np.outer(rows, cols))
        return np.maximum(weights, 1).astype(np.uint64)

    @cached_property
    def total_weights(self) -> NDArray[np.uint64]:
        """Sum of the weights of all tiles, (rows, columns) of the canvas's probabilities."""
        total = np.zeros(self.made, np.uint64)
        for tile in range(len(self)):
            total[self.area(tile)] += self.weights
        return total

    def area(self, tile: int) -> tuple[slice, slice]:
        """Return the part of the canvas's probabilities that a tile covers."""
        (top, left), (tall, wide) = self.origins[tile], self.covered
        return slice(top, top + tall), slice(left, left + wide)


class TileSum:
    """The weighted sum of the probabilities of a slice's tiles.

    Parameters
    ----------
    tiling
        Of the slice.
    channels
        Of the output.
    """

    def __init__(self, tiling: Tiling, channels: int) -> None:
        self._tiling = tiling
        self._missing = set(range(len(tiling)))
        self._sum = np.zeros((*tiling.made, channels), np.uint64)

    def add(self, tile: int, probabilities: NDArray[np.uint8]) -> bool:
        """Add the output of a tile, 8 bit (rows, columns, channels); tell whether it is the last.

        A tile that is there already changes nothing.
        """
        if tile in self._missing:
            self._missing.discard(tile)
            weighted = probabilities * self._tiling.weights[:, :, np.newaxis]
            self._sum[self._tiling.area(tile)] += weighted
        return not self._missing

    @property
    def probabilities(self) -> NDArray[np.uint8]:
        """The weighted mean of all tiles, 8 bit, (rows, columns, channels)."""
        total = self._tiling.total_weights[:, :, np.newaxis]
        return ((self._sum + total // 2) // total).astype(np.uint8)


def tiling_of(geometry: SliceGeometry, preprocessing: Preprocessing, decoding: Decoding) -> Tiling:
    """Return the tiles of a slice: one, the model's own field, where that holds the slice.

    Parameters
    ----------
    geometry
        Of the slice.
    preprocessing, decoding
        Those of the manifest.

    Raises
    ------
    VolumeError
        If the slice would take thousands of tiles.
    """
    field, step = preprocessing.size, preprocessing.tile_step
    covered = decoding.output_shape(field)[1:3]
    spacing_mm = preprocessing.spacing_mm
    if (
        isinstance(step, msgspec.UnsetType)
        or spacing_mm is None
        or geometry.row_mm is None
        or geometry.col_mm is None
    ):
        return Tiling(preprocessing, decoding, field, covered, ((0, 0),))
    needed = (
        math.ceil(geometry.rows * geometry.row_mm / spacing_mm - _ALMOST),
        math.ceil(geometry.cols * geometry.col_mm / spacing_mm - _ALMOST),
    )
    if math.prod(needed) > _MOST_FIELDS * math.prod(covered):
        raise VolumeError(
            f"a slice of {geometry.rows} x {geometry.cols} pixels would be {needed[0]} x "
            f"{needed[1]} at the bundle's {spacing_mm:g} mm, over {_MOST_FIELDS} times its field; "
            "compile the model with its own spacing"
        )
    starts = [
        _starts(max(extent, reach), reach, step)
        for extent, reach in zip(needed, covered, strict=True)
    ]
    sides = [reach + places[-1] for places, reach in zip(starts, field, strict=True)]
    size = sides[0], sides[1]
    canvas = msgspec.structs.replace(preprocessing, size=size, tile_step=msgspec.UNSET)
    origins = tuple((top, left) for top in starts[0] for left in starts[1])
    return Tiling(canvas, _on_canvas(decoding, field, size), field, covered, origins)


def _on_canvas(decoding: Decoding, field: tuple[int, int], size: tuple[int, int]) -> Decoding:
    """Return a decoding of a canvas instead of a field, both of (rows, columns)."""
    lies = decoding.field
    if isinstance(lies, msgspec.UnsetType):
        return decoding
    rows, cols = (
        made + side - extent for made, side, extent in zip(lies.size, size, field, strict=True)
    )
    return msgspec.structs.replace(
        decoding, field=OutputField((rows, cols), lies.top, lies.left, rows, cols)
    )


def _starts(extent: int, reach: int, step: float) -> tuple[int, ...]:
    """Return where tiles of a reach begin so that they cover an extent, evenly spaced.

    They are at most ``step`` of their reach apart.
    """
    over = extent - reach
    count = math.ceil(over / max(1.0, reach * step) - _ALMOST) + 1
    return tuple(round(over * number / max(1, count - 1)) for number in range(count))


def _bell(extent: int) -> NDArray[np.float64]:
    """Return Gaussian weights along one side of a tile, 1 in its middle."""
    from_middle = np.arange(extent) - (extent - 1) / 2
    return np.asarray(np.exp(-0.5 * (from_middle * _SHARPNESS / extent) ** 2), np.float64)
