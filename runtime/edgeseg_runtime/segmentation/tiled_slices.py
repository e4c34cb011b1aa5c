"""The tiles of a scan on their way to boards, and their results on the way back to slices."""

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Manifest
from edgeseg.imaging.levels import Levels
from edgeseg.imaging.scan import Slices
from edgeseg.imaging.slices import SliceGeometry, to_model
from edgeseg.imaging.tiles import TileSum, Tiling, tiling_of
from edgeseg_runtime.coordination.backlog import PendingSlice, Result
from edgeseg_runtime.segmentation.pending_slices import PendingSlices

_KEPT_SLICES = 2
"""Slices that are held on their canvas while their tiles are sent."""


def scan_tiling(scan: Slices, manifest: Manifest) -> Tiling:
    """Return the tiles of every slice of a scan; those of volumes are of one size.

    Slices of unknown pixel size, such as pictures, lie in one tile, whatever their size.
    """
    return tiling_of(scan.geometry(0), manifest.preprocessing, manifest.decoding)


class TiledSlices(PendingSlices):
    """Tiles ready for boards, numbered from the first tile of the first slice of the scan.

    Parameters
    ----------
    scan
        Whose slices all have the size of the first.
    indices
        The slices to be sent, in this order.
    tiling
        Their tiles.
    """

    def __init__(self, scan: Slices, indices: Sequence[int], tiling: Tiling) -> None:
        self._scan = scan
        self._indices = indices
        self._tiling = tiling
        self._recent: dict[int, Levels] = {}

    def __len__(self) -> int:
        """Return how many tiles there are."""
        return len(self._indices) * len(self._tiling)

    def _prepared(self, place: int) -> PendingSlice:
        number, tile = divmod(place, len(self._tiling))
        index = self._indices[number]
        levels = np.ascontiguousarray(self._tiling.cut(self._on_canvas(index), tile))
        geometry = SliceGeometry(*self._tiling.field)
        return PendingSlice(index * len(self._tiling) + tile, geometry, cast(Levels, levels))

    def _on_canvas(self, index: int) -> Levels:
        if index not in self._recent:
            image, geometry = self._scan.slice(index), self._scan.geometry(index)
            self._recent[index] = to_model(
                image, geometry, self._tiling.canvas, windowed=self._scan.windowed
            )
            while len(self._recent) > _KEPT_SLICES:
                del self._recent[next(iter(self._recent))]
        return self._recent[index]


class TileSums:
    """Adds tiles up to slices; of slices of which tiles are in flight, a sum each is held.

    Parameters
    ----------
    tiling
        Of the slices.
    channels
        Of the model's output.
    """

    def __init__(self, tiling: Tiling, channels: int) -> None:
        self._tiling = tiling
        self._channels = channels
        self._sums: dict[int, TileSum] = {}

    def add(self, result: Result) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Add a tile, and yield index and probabilities of its slice if it is the last.

        Probabilities are 8 bit, (rows, columns, channels) on the canvas.
        """
        index, tile = divmod(result.index, len(self._tiling))
        if index not in self._sums:
            self._sums[index] = TileSum(self._tiling, self._channels)
        total = self._sums[index]
        if total.add(tile, result.array):
            del self._sums[index]
            yield index, total.probabilities
