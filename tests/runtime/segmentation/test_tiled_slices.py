"""Tiles of chosen slices, numbered over the whole scan, and slices made of their results."""

import random

import msgspec
import numpy as np
import pytest
from manifests import make_manifest, make_piece
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Manifest, Port, Preprocessing
from edgeseg.imaging.levels import to_input, window
from edgeseg.imaging.scan import Slices
from edgeseg.imaging.slices import to_probabilities
from edgeseg.imaging.tiles import Tiling
from edgeseg_runtime.coordination.backlog import Result
from edgeseg_runtime.segmentation.arrays import as_slices
from edgeseg_runtime.segmentation.tiled_slices import TiledSlices, TileSums, scan_tiling

VOXELS = np.random.default_rng(2).integers(0, 256, (5, 20, 15)).astype(np.int16)


@pytest.fixture
def manifest() -> Manifest:
    ports = Port("image", (1, 8, 8, 1)), Port("mask", (1, 8, 8, 1))
    made = make_manifest([make_piece(0, [ports[0]], [ports[1]])])
    how = Preprocessing((0.0, 255.0), (8, 8), 1, 1.0, tile_step=0.5)
    return msgspec.structs.replace(made, preprocessing=how)


@pytest.fixture
def scan() -> Slices:
    return as_slices(VOXELS, (1.0, 1.0))


@pytest.fixture
def tiling(scan: Slices, manifest: Manifest) -> Tiling:
    found = scan_tiling(scan, manifest)
    assert len(found) == 4 * 3
    return found


def test_only_what_is_left_is_sent_under_its_own_numbers(scan: Slices, tiling: Tiling) -> None:
    tiles = TiledSlices(scan, [1, 4], tiling)
    count = len(tiling)
    assert len(tiles) == 2 * count
    assert [tile.index for tile in tiles] == [
        *range(count, 2 * count),
        *range(4 * count, 5 * count),
    ]
    top, left = tiling.origins[-1]
    np.testing.assert_array_equal(
        tiles[-1].levels, window(VOXELS[4, top : top + 8, left : left + 8], (0.0, 255.0))
    )
    assert [tile.index for tile in tiles[1:3]] == [count + 1, count + 2]
    with pytest.raises(IndexError):
        tiles[2 * count]


def test_results_in_any_order_make_the_slices(
    scan: Slices, tiling: Tiling, manifest: Manifest
) -> None:
    """A model that gives its input back gives the slice back, in every tile's share."""
    tiles = list(TiledSlices(scan, [0, 3], tiling))
    random.Random(1).shuffle(tiles)
    sums = TileSums(tiling, 1)
    made: dict[int, NDArray[np.uint8]] = {}
    for tile in tiles:
        output = to_probabilities(to_input(tile.levels, manifest.preprocessing))
        made |= dict(sums.add(Result(tile.index, "probabilities", output)))
    assert made.keys() == {0, 3}
    for index, probabilities in made.items():
        np.testing.assert_array_equal(probabilities[..., 0], VOXELS[index])


def test_without_known_pixels_there_is_one_tile(manifest: Manifest) -> None:
    assert len(scan_tiling(as_slices(VOXELS, None), manifest)) == 1
