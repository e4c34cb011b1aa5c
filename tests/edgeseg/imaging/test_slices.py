"""Slices reach the model's grid and come back to the same place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Decoding, Port, Preprocessing
from edgeseg.imaging.levels import to_input, window
from edgeseg.imaging.slices import (
    HALF,
    SliceGeometry,
    cheaper_on_board,
    frame_of,
    shrinking,
    to_model,
    to_native,
    to_probabilities,
)

_NESTED = Decoding("sigmoid", (1, 2))
_BEST = Decoding("softmax", (0, 1, 2))


def _preprocessing(size: int = 64, spacing_mm: float | None = None) -> Preprocessing:
    return Preprocessing(window=(0.0, 255.0), size=(size, size), spacing_mm=spacing_mm)


_GEOMETRIES = st.builds(
    SliceGeometry,
    rows=st.integers(20, 150),
    cols=st.integers(20, 150),
    row_mm=st.floats(0.5, 2.0),
    col_mm=st.floats(0.5, 2.0),
)
_PREPROCESSINGS = st.builds(
    _preprocessing,
    size=st.sampled_from([48, 64, 97, 128]),
    spacing_mm=st.none() | st.floats(0.5, 2.0),
)


@given(_GEOMETRIES, _PREPROCESSINGS)
def test_nothing_is_cropped_and_pixels_are_square(
    geometry: SliceGeometry, preprocessing: Preprocessing
) -> None:
    """The frame lies on the grid, is centred, and is never finer than the wished spacing."""
    frame = frame_of(geometry, preprocessing)
    height, width = preprocessing.size
    assert 0 <= frame.top <= height - frame.height - frame.top <= frame.top + 1
    assert 0 <= frame.left <= width - frame.width - frame.left <= frame.left + 1
    assert geometry.row_mm is not None
    assert geometry.col_mm is not None
    tall, wide = geometry.rows * geometry.row_mm, geometry.cols * geometry.col_mm
    pixel = max(preprocessing.spacing_mm or 0, tall / height, wide / width)
    assert frame.height == pytest.approx(tall / pixel, abs=0.51)
    assert frame.width == pytest.approx(wide / pixel, abs=0.51)
    if preprocessing.spacing_mm is None:
        assert frame.height == height or frame.width == width


@settings(deadline=None)
@given(_GEOMETRIES, _PREPROCESSINGS, st.floats(0.3, 0.7), st.floats(0.3, 0.7))
def test_a_blob_comes_back_to_its_place(
    geometry: SliceGeometry, preprocessing: Preprocessing, y: float, x: float
) -> None:
    """There and back moves a blob's centroid by less than half a pixel of the coarser grid."""
    rows, cols = geometry.rows, geometry.cols
    places = np.mgrid[:rows, :cols].astype(np.float64)
    distance = np.hypot((places[0] - y * rows) / (rows / 5), (places[1] - x * cols) / (cols / 5))
    blob = (255 * np.clip(1.5 - distance, 0, 1)).astype(np.uint8)
    grey = to_model(blob, geometry, preprocessing, windowed=True)
    assert grey.shape == preprocessing.size
    mask = to_native(grey[:, :, np.newaxis], geometry, preprocessing, Decoding("sigmoid", (7,)))
    assert mask.shape == blob.shape
    assert set(np.unique(mask).tolist()) == {0, 7}
    frame = frame_of(geometry, preprocessing)
    before = [float(axis.mean()) for axis in np.nonzero(blob >= HALF)]
    after = [float(axis.mean()) for axis in np.nonzero(mask)]
    assert after[0] == pytest.approx(before[0], abs=0.5 * max(1, rows / frame.height))
    assert after[1] == pytest.approx(before[1], abs=0.5 * max(1, cols / frame.width))


@pytest.mark.parametrize("spacing", [None, 0.8])
def test_the_models_own_size_is_exact(spacing: float | None) -> None:
    """A slice of the model's size and spacing is not resampled either way."""
    rng = np.random.default_rng(1)
    geometry = SliceGeometry(64, 64, 0.8, 0.8)
    preprocessing = _preprocessing(spacing_mm=spacing)
    image = rng.integers(-200, 500, (64, 64)).astype(np.int16)
    grey = to_model(image, geometry, preprocessing, windowed=False)
    assert np.array_equal(grey, np.clip(image, 0, 255))
    probabilities = rng.integers(0, 256, (64, 64, 2)).astype(np.uint8)
    mask = to_native(probabilities, geometry, preprocessing, _NESTED)
    expected = np.where(probabilities[..., 1] >= HALF, 2, probabilities[..., 0] >= HALF)
    assert np.array_equal(mask, expected)


@settings(deadline=None)
@given(st.integers(5, 90), st.integers(5, 90), st.integers(0, 2**32 - 1), st.booleans())
def test_the_box_gives_what_the_whole_gives(
    rows: int,
    cols: int,
    seed: int,
    softmax: bool,
) -> None:
    """Leaving out the background changes no label.

    Against a plain float interpolation, but for ties that 8-bit rounding may turn.
    """
    rng = np.random.default_rng(seed)
    decoding = _BEST if softmax else _NESTED
    probabilities = np.zeros((32, 32, len(decoding.channels)), np.uint8)
    probabilities[..., 0] = 255 if softmax else 0
    top, left = rng.integers(0, 24, 2)
    noise = rng.integers(0, 256, (8, 8, len(decoding.channels)))
    probabilities[top : top + 8, left : left + 8] = noise
    geometry, preprocessing = SliceGeometry(rows, cols), _preprocessing(32)
    mask = to_native(probabilities, geometry, preprocessing, decoding)
    inside = probabilities[frame_of(geometry, preprocessing).area]
    smooth = _interpolated(inside, rows, cols)
    if softmax:
        expected, margin = smooth.argmax(axis=2), np.diff(np.sort(smooth, axis=2))[..., -1]
    else:
        expected = np.where(smooth[..., 1] >= HALF, 2, smooth[..., 0] >= HALF)
        margin = np.abs(smooth - HALF + 0.5).min(axis=2)
    assert np.array_equal(mask[margin > 2], expected[margin > 2])


def _interpolated(planes: NDArray[np.uint8], rows: int, cols: int) -> NDArray[np.float64]:
    """Interpolate (h, w, C) with triangle filters as matrices, the plain way."""
    down, across = (_triangle(n, m) for n, m in zip((rows, cols), planes.shape[:2], strict=True))
    smooth: NDArray[np.float64] = np.einsum("rh,hwc,kw->rkc", down, planes.astype(float), across)
    return smooth


def _triangle(target: int, source: int) -> NDArray[np.float64]:
    scale = source / target
    centres = (np.arange(target) + 0.5) * scale
    distance = np.abs(centres[:, np.newaxis] - (np.arange(source) + 0.5)) / max(1.0, scale)
    weights = np.clip(1 - distance, 0, None)
    normal: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return normal


def test_background_alone_gives_an_empty_mask() -> None:
    """Nothing reaches one half, nothing is painted, at any size."""
    probabilities = np.full((64, 64, 2), HALF - 1, np.uint8)
    assert not to_native(probabilities, SliceGeometry(200, 90), _preprocessing(), _NESTED).any()


def test_softmax_takes_the_most_probable_channel() -> None:
    """No channel needs to reach one half."""
    probabilities = np.zeros((64, 64, 3), np.uint8)
    probabilities[...] = (80, 75, 100)
    mask = to_native(probabilities, SliceGeometry(64, 64), _preprocessing(), _BEST)
    assert (mask == 2).all()


def test_later_channels_paint_over_earlier_ones() -> None:
    """A tumour within the kidney stays visible."""
    probabilities = np.full((64, 64, 2), 255, np.uint8)
    probabilities[:, :32, 1] = 0
    mask = to_native(probabilities, SliceGeometry(64, 64), _preprocessing(), _NESTED)
    assert (mask[:, :32] == 1).all()
    assert (mask[:, 32:] == 2).all()


def test_the_window_is_rounded_and_clipped() -> None:
    """HU outside the window saturate, one level is one step."""
    image = np.array([[-3000.0, -160.0, 40.0, 240.0, 9000.0]], np.float32)
    assert window(image, (-160.0, 240.0)).tolist() == [[0, 0, 128, 255, 255]]
    levels = np.arange(256, dtype=np.int16).reshape(16, 16)
    assert np.array_equal(window(levels, (0.0, 255.0)), levels)


def test_outside_of_the_slice_is_the_low_end_of_the_window() -> None:
    """A wide slice leaves bands above and below."""
    image = np.full((10, 40), 255, np.int16)
    grey = to_model(image, SliceGeometry(10, 40, 1.0, 1.0), _preprocessing(), windowed=False)
    assert (grey[24:40] == 255).all()
    assert not grey[:24].any()
    assert not grey[40:].any()


def test_fine_pixels_do_not_alias() -> None:
    """A checkerboard finer than the model's pixels becomes even grey."""
    image = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)
    grey = to_model(image, SliceGeometry(256, 256), _preprocessing(), windowed=True)
    assert np.abs(grey.astype(int) - 127).max() <= 2


def test_input_has_the_models_range_and_channels() -> None:
    """0..255 become the two ends of the range, copied to each channel."""
    grey = np.zeros((64, 64), np.uint8)
    grey[0, 0] = 255
    preprocessing = Preprocessing((0, 255), (64, 64), channels=3, input_range=(-1.0, 1.0))
    tensor = to_input(grey, preprocessing)
    assert tensor.shape == (1, 64, 64, 3)
    assert tensor.dtype == np.float32
    assert tensor[0, 0, 0].tolist() == [1, 1, 1]
    assert (tensor[0, 1:] == -1).all()


@given(st.floats(0, 1, width=32))
def test_eight_bits_keep_the_threshold(probability: float) -> None:
    """One half in float and :data:`HALF` in 8 bit part the same probabilities."""
    output = np.full((1, 1, 1, 1), probability, np.float32)
    eight_bit = int(to_probabilities(output)[0, 0, 0])
    assert (eight_bit >= HALF) == (probability >= 0.5)
    assert eight_bit == pytest.approx(255 * probability, abs=0.51)


def test_outputs_beyond_the_range_saturate() -> None:
    """Rounding in the model must not wrap round in 8 bit."""
    output = np.array([-0.01, 1.01], np.float32).reshape(1, 1, 2, 1)
    assert to_probabilities(output).ravel().tolist() == [0, 255]


def test_the_smaller_message_wins() -> None:
    """A native mask of 512x512 is more than three 256x256 planes, not more than five."""
    geometry, preprocessing = SliceGeometry(512, 512), _preprocessing(256)
    assert not cheaper_on_board(geometry, Port("output", (1, *preprocessing.size, 3)))
    assert cheaper_on_board(geometry, Port("output", (1, *preprocessing.size, 5)))


@pytest.mark.parametrize(
    ("geometry", "spacing_mm", "said"),
    [
        (SliceGeometry(512, 512, 0.8, 0.8), 0.8, "read at 1.6 mm a pixel, and it was trained at"),
        (SliceGeometry(512, 512, 0.8, 0.8), None, None),
        (SliceGeometry(512, 512), 0.8, None),
        (SliceGeometry(260, 250, 0.8, 0.8), 0.8, None),
    ],
)
def test_a_slice_that_is_shrunk_below_the_models_spacing_is_said(
    geometry: SliceGeometry, spacing_mm: float | None, said: str | None
) -> None:
    how = Preprocessing((0.0, 255.0), (256, 256), 1, spacing_mm)
    line = shrinking(geometry, how)
    assert (said is None and line is None) or (said is not None and said in (line or ""))
