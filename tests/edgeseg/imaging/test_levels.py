"""What a model reads of HU that travel in whole levels is what it would read of the HU."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Preprocessing
from edgeseg.errors import VolumeError
from edgeseg.imaging.levels import (
    LevelScale,
    as_grey,
    describe_input,
    holds_whole_hu,
    random_levels,
    to_input,
)
from edgeseg.imaging.slices import SliceGeometry, to_model

_GEOMETRY = SliceGeometry(16, 16)


def _how(low: float, high: float, **fields: object) -> Preprocessing:
    how = Preprocessing((low, high), (16, 16), level_bits=16)
    return msgspec.structs.replace(how, **fields)


def _hu(low: int, high: int) -> NDArray[np.int16]:
    return np.random.default_rng(3).integers(low, high, (16, 16)).astype(np.int16)


def _fed(image: NDArray[np.int16], how: Preprocessing) -> NDArray[np.float32]:
    return to_input(to_model(image, _GEOMETRY, how, windowed=False), how)


@given(st.floats(-3000, 3000), st.floats(1e-3, 20_000))
def test_sixteen_bits_hold_a_window_as_finely_as_they_can(low: float, width: float) -> None:
    scale = LevelScale.of((low, low + width))
    assert scale.base <= low
    assert scale.base.is_integer()
    assert 0 <= scale.lowest < scale.highest <= 2**16 - 1
    assert scale.base + scale.step * scale.highest == pytest.approx(low + width, abs=scale.step)
    assert np.log2(scale.step).is_integer()
    assert (low + width - scale.base) / scale.step > 2**15 - 1  # half the step would be too fine


@given(st.integers(-2000, 2000), st.integers(1, 8000), st.integers(0, 2**32 - 1))
def test_whole_hu_are_exact(low: int, width: int, seed: int) -> None:
    how = _how(float(low), float(low + width), input_range=(0.0, float(width)))
    image = np.random.default_rng(seed).integers(low - 9, low + width + 9, (16, 16), np.int16)
    expected = np.clip(image, low, low + width).astype(np.float32) - np.float32(low)
    np.testing.assert_allclose(_fed(image, how)[0, :, :, 0], expected, rtol=2e-7, atol=0)


def test_a_z_score_is_that_of_the_hu() -> None:
    image = _hu(-2000, 2000)
    expected = (np.clip(image, -1000, 1000) - 101.0) / 76.9
    fed = _fed(image, _how(-1000.0, 1000.0, normalize=((101.0, 76.9),)))
    np.testing.assert_allclose(fed[0, :, :, 0], expected, atol=2e-6)


def test_each_channel_has_its_window_and_its_deviation() -> None:
    windows = ((-160.0, 240.0), (0.0, 100.0), (-1000.0, 500.0))
    how = _how(-1000.0, 500.0, channels=3, windows=windows)
    image = _hu(-1200, 900)
    planes = _fed(image, how)[0]
    for channel, (low, high) in enumerate(windows):
        expected = (np.clip(image, low, high) - low) / (high - low)
        np.testing.assert_allclose(planes[:, :, channel], expected, atol=1e-7)
    normal = msgspec.structs.replace(how, normalize=((0.0, 1.0), (1.0, 2.0), (2.0, 4.0)))
    planes = _fed(image, normal)[0]
    for channel, (low, high) in enumerate(windows):
        expected = (np.clip(image, low, high) - channel) / 2**channel
        np.testing.assert_allclose(planes[:, :, channel], expected, atol=1e-6)


def test_resampled_hu_keep_their_fractions() -> None:
    """Two HU side by side become their mean, not one of them."""
    image = np.tile(np.array([[100, 101]], np.int16), (32, 16))
    how = _how(-1000.0, 1000.0, input_range=(-1000.0, 1000.0))
    levels = to_model(image, SliceGeometry(32, 32), how, windowed=False)
    np.testing.assert_allclose(to_input(levels, how), 100.5, atol=1e-4)


def test_what_lies_beside_a_slice_has_the_low_end_of_the_window() -> None:
    how = _how(-100.25, 300.0)
    image = np.full((8, 16), 200, np.int16)
    fed = to_input(to_model(image, SliceGeometry(8, 16), how, windowed=False), how)
    assert (fed[0, :4] == 0).all()
    assert (fed[0, 4:12] > 0.7).all()
    assert (fed[0, 12:] == 0).all()


def test_pictures_are_read_at_their_hu() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for how in (_how(-100.0, 300.0), Preprocessing((-100.0, 300.0), (16, 16))):
        levels = to_model(grey, _GEOMETRY, how, windowed=True)
        assert levels.dtype == how.level_type
        np.testing.assert_allclose(to_input(levels, how)[0, :, :, 0], grey / 255, atol=1e-5)
        assert np.array_equal(as_grey(levels, how), grey)


def test_pictures_show_no_second_window() -> None:
    how = _how(0.0, 400.0, channels=2, windows=((0.0, 255.0), (100.0, 400.0)))
    with pytest.raises(VolumeError, match="windowed already, and this model reads several"):
        to_model(np.zeros((16, 16), np.uint8), _GEOMETRY, how, windowed=True)


def test_eight_bits_hold_whole_hu_or_not() -> None:
    assert holds_whole_hu((0.0, 255.0))
    assert holds_whole_hu((-100, 155))
    others = [(0.0, 200.0), (0.5, 255.5), (-1000.0, 1000.0), (0.0, 1.0)]
    assert not any(map(holds_whole_hu, others))


@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize("bits", [16, msgspec.UNSET])
def test_noise_fills_the_range_of_every_channel(planes: int, bits: object) -> None:
    fields = {"channels": planes, "level_bits": bits} | ({"slices": 3} if planes > 1 else {})
    how = _how(-50.0, 205.0, **fields)
    for levels in random_levels(how, np.random.default_rng(0), 2):
        tensor = to_input(levels, how)
        assert tensor.shape == (1, 16, 16, planes)
        assert tensor.min() < 0.05
        assert tensor.max() > 0.95
        assert planes == 1 or not np.array_equal(tensor[..., 0], tensor[..., 1])


def test_a_bundle_says_what_the_model_reads() -> None:
    how = Preprocessing((0.0, 255.0), (16, 16))
    assert describe_input(how) == "HU 0 to 255 in 8 bit fed as 0 to 1"
    repeated = msgspec.structs.replace(how, channels=3, input_range=(-1.0, 1.0))
    assert describe_input(repeated).endswith("fed as -1 to 1, the same slice in 3 channels")
    stack = _how(-100.0, 300.0, channels=3, slices=3, normalize=((101.0, 76.9),))
    assert describe_input(stack) == (
        "HU -100 to 300 in 16 bit fed as (HU - 101) / 76.9, 3 neighbouring slices from feet to "
        "head as channels"
    )
    windows = _how(-100.0, 300.0, channels=2, windows=((-100.0, 0.0), (0.0, 300.0)))
    assert describe_input(windows).startswith("HU -100 to 0, 0 to 300 in 16 bit fed as 0 to 1")
