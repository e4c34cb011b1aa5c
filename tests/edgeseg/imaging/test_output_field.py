"""Outputs of another size than the input: each pixel lands where the model meant it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from edgeseg.bundle.manifest import Decoding, OutputField, Preprocessing
from edgeseg.imaging.slices import (
    HALF,
    SliceGeometry,
    frame_of,
    to_native,
    to_native_probabilities,
)

Bytes = NDArray[np.uint8]
HOW = Preprocessing((0.0, 255.0), (16, 16))
GEOMETRIES = st.builds(SliceGeometry, st.integers(5, 40), st.integers(5, 40))


def random_output(rows: int, cols: int, channels: int, seed: int) -> Bytes:
    """Blobs, so that there are edges but no noise."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, channels), np.uint8)
    planes = [
        Image.fromarray(small[..., c]).resize((cols, rows), Image.Resampling.BILINEAR)
        for c in range(channels)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


@given(GEOMETRIES, st.integers(1, 5), st.sampled_from(["sigmoid", "softmax"]), st.integers(0, 9))
def test_a_cropped_output_is_one_with_background_around(
    geometry: SliceGeometry, margin: int, activation: str, seed: int
) -> None:
    softmax = activation == "softmax"
    channels = (2, 0, 1) if softmax else (1, 2)
    side = 16 - 2 * margin
    output = random_output(side, side, len(channels), seed)
    whole = np.zeros((16, 16, len(channels)), np.uint8)
    if softmax:
        whole[..., 1] = 255
    inside = slice(margin, 16 - margin)
    whole[inside, inside] = output
    field = OutputField((side, side), margin, margin, side, side)
    plain = Decoding(activation, channels)  # type: ignore[arg-type]
    cropped = Decoding(activation, channels, field)  # type: ignore[arg-type]
    np.testing.assert_array_equal(
        to_native(output, geometry, HOW, cropped), to_native(whole, geometry, HOW, plain)
    )
    for channel in range(len(channels)):
        np.testing.assert_array_equal(
            to_native_probabilities(output, channel, geometry, HOW, cropped),
            to_native_probabilities(whole, channel, geometry, HOW, plain),
        )


@pytest.mark.parametrize("size", [(8, 8), (32, 32), (16, 64), (5, 7)])
@given(geometry=GEOMETRIES, seed=st.integers(0, 9))
def test_an_output_of_another_resolution_is_resampled_once(
    size: tuple[int, int], geometry: SliceGeometry, seed: int
) -> None:
    rows, cols = size
    output = random_output(rows, cols, 1, seed)
    decoding = Decoding("sigmoid", (3,), OutputField(size, 0, 0, 16, 16))
    frame = frame_of(geometry, HOW)
    top, bottom = frame.top * rows / 16, (frame.top + frame.height) * rows / 16
    left, right = frame.left * cols / 16, (frame.left + frame.width) * cols / 16
    up, start = math.floor(top), math.floor(left)
    plane = output[up : math.ceil(bottom), start : math.ceil(right), 0]
    expected = Image.fromarray(plane).resize(
        (geometry.cols, geometry.rows),
        Image.Resampling.BILINEAR,
        box=(left - start, top - up, right - start, bottom - up),
    )
    mask = to_native(output, geometry, HOW, decoding)
    # The box that is resampled has its edges rounded anew: by a level, no more.
    far = np.abs(np.asarray(expected, int) - HALF + 0.5) > 1
    np.testing.assert_array_equal(mask[far], 3 * (np.asarray(expected)[far] >= HALF))


def test_outside_of_an_output_without_a_background_there_is_no_label() -> None:
    decoding = Decoding("softmax", (1, 2), OutputField((12, 12), 2, 2, 12, 12))
    output = np.full((12, 12, 2), (200, 55), np.uint8)
    mask = to_native(output, SliceGeometry(16, 16), HOW, decoding)
    expected = np.pad(np.ones((12, 12), np.uint8), 2)
    np.testing.assert_array_equal(mask, expected)


def test_what_lies_beside_the_slice_is_left_out() -> None:
    """A model that reaches beyond its input: its first pixel lies half outside."""
    decoding = Decoding("sigmoid", (1,), OutputField((9, 9), -1, -1, 18, 18))
    output = np.zeros((9, 9, 1), np.uint8)
    output[0] = 255
    mask = to_native(output, SliceGeometry(16, 16), HOW, decoding)
    assert mask[:1].all()
    assert not mask[2:].any()


def test_a_finding_beside_the_frame_of_the_slice_is_nowhere() -> None:
    """A slice of 4 x 16 mm takes the middle rows of the grid; the first row is beside it."""
    how = Preprocessing((0.0, 255.0), (16, 16), 1, 1.0)
    decoding = Decoding("sigmoid", (1,), OutputField((8, 8), 0, 0, 16, 16))
    output = np.zeros((8, 8, 1), np.uint8)
    output[0] = 255
    assert not to_native(output, SliceGeometry(4, 16, 1.0, 1.0), how, decoding).any()
