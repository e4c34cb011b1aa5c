"""Tiles cover a slice, and add up to the same mean in whatever order they come."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.bundle.manifest import Decoding, OutputField, Preprocessing
from edgeseg.errors import VolumeError
from edgeseg.imaging.slices import SliceGeometry, frame_of, to_model, to_native
from edgeseg.imaging.tiles import TileSum, Tiling, tiling_of

PLAIN = Decoding("sigmoid", (1,))
CROPPED = Decoding("sigmoid", (1,), OutputField((12, 10), 2, 3, 12, 10))
GEOMETRIES = st.builds(
    SliceGeometry,
    st.integers(4, 60),
    st.integers(4, 60),
    st.floats(0.4, 2.0),
    st.floats(0.4, 2.0),
)
STEPS = st.sampled_from([0.125, 0.3, 0.5, 1.0])


def preprocessing(step: float = 0.5, spacing_mm: float | None = 1.0) -> Preprocessing:
    return Preprocessing((0.0, 255.0), (16, 16), 1, spacing_mm, tile_step=step)


def outputs_of(tiling: Tiling, channels: int = 1, seed: int = 0) -> list[np.ndarray]:  # type: ignore[type-arg]
    generator = np.random.default_rng(seed)
    shape = (*tiling.covered, channels)
    return [generator.integers(0, 256, shape, np.uint8) for _ in range(len(tiling))]


@given(GEOMETRIES, STEPS, st.sampled_from([PLAIN, CROPPED]))
def test_tiles_cover_all_of_a_slice_at_its_spacing(
    geometry: SliceGeometry, step: float, decoding: Decoding
) -> None:
    how = preprocessing(step)
    tiling = tiling_of(geometry, how, decoding)
    counts = np.zeros(tiling.made, int)
    for tile in range(len(tiling)):
        counts[tiling.area(tile)] += 1
    assert counts.min() >= 1
    tops, lefts = (sorted({origin[axis] for origin in tiling.origins}) for axis in (0, 1))
    for starts, reach in ((tops, tiling.covered[0]), (lefts, tiling.covered[1])):
        assert max(np.diff(starts), default=0) <= np.ceil(max(1.0, reach * step))
    frame = frame_of(geometry, tiling.canvas)
    assert frame.height == max(1, round(geometry.rows * (geometry.row_mm or 0)))
    assert frame.width == max(1, round(geometry.cols * (geometry.col_mm or 0)))
    everything = np.full((*tiling.made, 1), 255, np.uint8)
    mask = to_native(everything, geometry, tiling.canvas, tiling.decoding)
    assert mask[1:-1, 1:-1].all()
    if decoding is PLAIN:
        assert mask.all()


@given(GEOMETRIES, STEPS, st.randoms(use_true_random=False))
def test_the_order_of_tiles_changes_no_bit(
    geometry: SliceGeometry, step: float, random: object
) -> None:
    tiling = tiling_of(geometry, preprocessing(step), PLAIN)
    outputs = outputs_of(tiling)
    order = list(range(len(tiling)))
    results = []
    for _ in range(2):
        total = TileSum(tiling, 1)
        complete = [total.add(tile, outputs[tile]) for tile in order]
        assert complete == [False] * (len(order) - 1) + [True]
        assert total.add(order[0], 255 - outputs[order[0]])  # what comes twice counts once
        results.append(total.probabilities)
        random.shuffle(order)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(*results)


def test_the_mean_is_that_of_gaussian_weights() -> None:
    tiling = tiling_of(SliceGeometry(40, 30, 1.0, 1.0), preprocessing(), PLAIN)
    assert len(tiling) == 4 * 3
    outputs = outputs_of(tiling, 2)
    total = TileSum(tiling, 2)
    weighted, weights = np.zeros((*tiling.made, 2)), np.zeros((*tiling.made, 1))
    from_middle = np.arange(16) - 7.5
    bell = np.exp(-0.5 * (from_middle / (16 / 8)) ** 2)
    # No pixel counts less than the least that whole numbers can say.
    window = np.maximum(np.outer(bell, bell), 2.0**-24)[:, :, np.newaxis]
    for tile, output in enumerate(outputs):
        total.add(tile, output)
        weighted[tiling.area(tile)] += window * output
        weights[tiling.area(tile)] += window
    far = np.abs(total.probabilities - weighted / weights)
    assert far.max() <= 0.6
    assert np.mean(far > 0.51) < 0.02


def test_a_field_that_holds_the_slice_is_one_tile_and_changes_nothing() -> None:
    geometry = SliceGeometry(20, 30, 0.5, 0.5)
    how = preprocessing()
    tiling = tiling_of(geometry, how, PLAIN)
    assert tiling.origins == ((0, 0),)
    image = np.random.default_rng(1).integers(0, 255, (20, 30)).astype(np.int16)
    np.testing.assert_array_equal(
        to_model(image, geometry, tiling.canvas, windowed=False),
        to_model(image, geometry, how, windowed=False),
    )
    (output,) = outputs_of(tiling)
    total = TileSum(tiling, 1)
    assert total.add(0, output)
    np.testing.assert_array_equal(total.probabilities, output)


@pytest.mark.parametrize(
    "geometry", [SliceGeometry(64, 64), SliceGeometry(64, 64, 1.0, None)], ids=["none", "one"]
)
def test_without_known_pixels_there_is_one_tile(geometry: SliceGeometry) -> None:
    assert len(tiling_of(geometry, preprocessing(), PLAIN)) == 1


def test_a_slice_of_thousands_of_fields_is_refused() -> None:
    with pytest.raises(VolumeError, match=r"640000 x 640000 at the bundle's 0\.0001 mm"):
        tiling_of(SliceGeometry(64, 64, 1.0, 1.0), preprocessing(0.5, 1e-4), PLAIN)


def test_without_a_step_the_whole_slice_is_read() -> None:
    how = Preprocessing((0.0, 255.0), (16, 16), 1, 1.0)
    tiling = tiling_of(SliceGeometry(64, 64, 1.0, 1.0), how, CROPPED)
    assert (len(tiling), tiling.canvas, tiling.decoding) == (1, how, CROPPED)
    assert tiling.made == (12, 10)
