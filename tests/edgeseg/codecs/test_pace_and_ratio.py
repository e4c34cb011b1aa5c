"""What codecs cost and bring is measured on real tensors, and expected where none was measured."""

import numpy as np
import pytest

from edgeseg.codecs.measured_pace import measure_codecs
from edgeseg.codecs.names import CODECS
from edgeseg.codecs.pace import expected_paces
from edgeseg.codecs.ratio import estimated_ratios, measured_ratios

_LOSSLESS_AND_LOSSY = set(CODECS) - {"none"}


def test_every_codec_is_measured_in_nanoseconds_a_byte() -> None:
    paces = measure_codecs()
    assert {pace.codec for pace in paces} == _LOSSLESS_AND_LOSSY
    for pace in paces:
        assert 1e-11 < pace.encode < 1e-6
        assert 1e-11 < pace.decode < 1e-6


def test_a_quicker_board_is_expected_to_take_less() -> None:
    for slow, quick in zip(expected_paces(1.0), expected_paces(4.0), strict=True):
        assert quick.encode == slow.encode / 4
        assert quick.decode == slow.decode / 4


def test_ratios_are_those_of_the_payloads() -> None:
    zeros, noise = np.zeros((1, 64, 64, 8), np.float32), np.full((1, 8, 8, 8), 1, np.float32)
    noise[:] = np.random.default_rng(0).normal(size=noise.shape)
    ratios = measured_ratios([zeros])
    assert ratios.keys() == _LOSSLESS_AND_LOSSY
    assert max(ratios.values()) < 0.01
    assert measured_ratios([noise])["lossless"] == 1.0
    both = measured_ratios([zeros, noise])["lossless"]
    assert both == pytest.approx(noise.nbytes / (noise.nbytes + zeros.nbytes), abs=0.01)


def test_a_codec_that_can_not_carry_a_tensor_is_left_out() -> None:
    array = np.zeros((1, 16, 16, 4), np.float32)
    array[0, 0, 0, 0] = np.nan
    assert measured_ratios([array]).keys() == {"lossless"}


def test_estimates_fall_from_codec_to_codec() -> None:
    ratios = [estimated_ratios("float32")[codec] for codec in CODECS[1:]]
    assert ratios == sorted(ratios, reverse=True)
    assert set(estimated_ratios("int8").values()) == {0.7}
