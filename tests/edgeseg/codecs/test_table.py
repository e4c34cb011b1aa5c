"""Codecs: what they keep, what they refuse, and that no payload makes them take more memory."""

import struct
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from edgeseg.codecs import chunks
from edgeseg.codecs.names import CODECS, CodecName
from edgeseg.codecs.table import REDUCTIONS, decode, encode, most_bytes
from edgeseg.errors import EdgesegError, WireError

ANY_BITS = arrays(np.uint32, array_shapes(min_dims=1, max_dims=4, max_side=6)).map(
    lambda bits: bits.view(np.float32)
)
FINITE = arrays(
    np.float32,
    array_shapes(min_dims=1, max_dims=4, max_side=6),
    elements=st.floats(-(2.0**100), 2.0**100, width=32),
)


def relu_output(shape: tuple[int, ...] = (1, 32, 32, 8), seed: int = 0) -> NDArray[np.float32]:
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return np.maximum(values, 0)


def payload_of(codec: CodecName, array: NDArray[Any]) -> bytearray:
    payload = encode(codec, array)
    assert payload is not None
    return payload


def roundtrip(codec: CodecName, array: NDArray[Any]) -> NDArray[Any]:
    payload = encode(codec, array)
    if payload is None:
        return array
    assert len(payload) <= most_bytes(array.nbytes)
    return decode(codec, payload, array.dtype.name, array.shape)


@given(ANY_BITS)
def test_lossless_keeps_every_bit_whatever_it_means(array: NDArray[Any]) -> None:
    assert roundtrip("lossless", array).tobytes() == array.tobytes()


@given(arrays(np.int8, array_shapes(max_side=8)))
def test_every_codec_keeps_int8(array: NDArray[Any]) -> None:
    for codec in CODECS[1:]:
        assert np.array_equal(roundtrip(codec, array), array)


@pytest.mark.parametrize("count", [1, 7, 8, chunks.CHUNK_VALUES - 1, 3 * chunks.CHUNK_VALUES + 5])
@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
def test_chunks_of_any_number_hold_what_they_were_given(count: int, dtype: str) -> None:
    array = (np.arange(count) % 5 == 0).astype(dtype)
    assert np.array_equal(roundtrip("lossless", array), array)


def test_nan_infinity_and_minus_zero_survive_lossless() -> None:
    array = np.zeros((64, 4), np.float32)
    array[0] = np.nan, np.inf, -np.inf, -0.0
    back = roundtrip("lossless", array)
    assert encode("lossless", array) is not None
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize("codec", list(REDUCTIONS))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_lossy_codecs_refuse_what_they_can_not_carry(codec: CodecName, value: float) -> None:
    array = relu_output()
    array[0, 3, 3, 3] = value
    with pytest.raises(EdgesegError, match=f"the codec {codec} can't carry them, lossless"):
        encode(codec, array)


@given(FINITE)
def test_half_is_as_near_as_float16_at_the_scale_of_the_largest(array: NDArray[Any]) -> None:
    back = roundtrip("half", array)
    scale = max(float(np.abs(array).max()) / 32752.0, 1.0)
    assert np.all(np.abs(back - array) <= np.abs(array) * 2.0**-11 + 2.0**-25 * scale)


@given(FINITE)
def test_int8_is_within_half_a_step_of_each_channel_and_exceeds_no_range(
    array: NDArray[Any],
) -> None:
    back = roundtrip("int8", array).reshape(-1, array.shape[-1])
    flat = array.reshape(-1, array.shape[-1]).astype(np.float64)
    low, high = np.minimum(flat.min(0), 0), np.maximum(flat.max(0), 0)
    slack = (high - low) * 1e-5 + 1e-35
    assert np.all(np.abs(back - flat) <= (high - low) / 255 / 2 + slack)
    assert np.all((back >= low - slack) & (back <= high + slack))


def test_zeros_of_a_relu_stay_zeros_in_every_codec() -> None:
    array = relu_output()
    for codec in CODECS[1:]:
        assert not roundtrip(codec, array)[array == 0].any()


def test_each_codec_takes_fewer_bytes_than_the_one_before() -> None:
    array = relu_output((1, 64, 64, 16))
    sizes = [array.nbytes, *(len(payload_of(codec, array)) for codec in CODECS[1:])]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < array.nbytes / 4


def test_noise_travels_as_it_is() -> None:
    noise = np.random.default_rng(0).integers(0, 2**32, 4096, np.uint32)
    assert encode("lossless", noise.view(np.float32)) is None


@example(codec="half", at=175, new=b"|", cut=False)  # a float16 that is no number
@given(
    codec=st.sampled_from(CODECS[1:]),
    at=st.integers(0, 400),
    new=st.binary(min_size=1, max_size=4),
    cut=st.booleans(),
)
def test_changed_payloads_are_refused_or_give_a_tensor_of_the_size_said(
    codec: CodecName, at: int, new: bytes, *, cut: bool
) -> None:
    array = relu_output((1, 8, 8, 4))
    payload = bytes(payload_of(codec, array))
    at %= len(payload)
    changed = payload[:at] if cut else payload[:at] + new + payload[at + len(new) :]
    try:
        back = decode(codec, changed, "float32", array.shape)
    except WireError:
        return
    assert back.shape == array.shape
    assert back.dtype == array.dtype


@pytest.mark.parametrize("codec", CODECS[1:])
def test_a_payload_that_goes_on_is_refused(codec: CodecName) -> None:
    array = relu_output()
    with pytest.raises(WireError, match="3 bytes longer than it says"):
        decode(codec, bytes(payload_of(codec, array)) + b"abc", "float32", array.shape)


@pytest.mark.parametrize("codec", CODECS[1:])
def test_a_payload_that_ends_early_is_refused(codec: CodecName) -> None:
    array = relu_output((1, 512, 64, 16))
    payload = bytes(payload_of(codec, array))
    for length in (0, 3, len(payload) // 2, len(payload) - 1):
        with pytest.raises(WireError, match="truncated"):
            decode(codec, payload[:length], "float32", array.shape)


@pytest.mark.parametrize("codec", ["half", "int8"])
def test_the_payload_of_another_codec_is_refused(codec: CodecName) -> None:
    array = relu_output()
    with pytest.raises(WireError):
        decode(codec, bytes(payload_of("lossless", array)), "float32", array.shape)


def test_the_payload_of_another_shape_is_refused() -> None:
    payload = bytes(payload_of("lossless", relu_output((1, 32, 32, 8))))
    for shape in ((1, 32, 32, 9), (1, 32, 31, 8)):
        with pytest.raises(WireError):
            decode("lossless", payload, "float32", shape)


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("codec", CODECS[1:])
def test_a_bomb_is_refused_by_what_it_declares(codec: CodecName, declared: bool) -> None:
    array = relu_output()
    compressor = zstandard.ZstdCompressor(write_content_size=declared)
    bomb = compressor.compress(bytes(2**26))
    scales = {"lossless": b"", "half": struct.pack("<f", 1)}.get(
        codec, struct.pack("<16f", *[1] * 16)
    )
    with pytest.raises(WireError, match="says that it holds"):
        decode(codec, scales + struct.pack("<I", len(bomb)) + bomb, "float32", array.shape)


@pytest.mark.parametrize("scale", [0.0, -1.0, np.inf, np.nan])
@pytest.mark.parametrize(("codec", "place"), [("half", 0), ("int8", 8)])
def test_a_scale_that_is_none_is_refused(codec: CodecName, place: int, scale: float) -> None:
    array = relu_output()
    payload = payload_of(codec, array)
    payload[4 * place : 4 * place + 4] = struct.pack("<f", scale)
    with pytest.raises(WireError, match="scale that is not above zero and finite"):
        decode(codec, payload, "float32", array.shape)


def test_steps_that_begin_nowhere_are_refused() -> None:
    array = relu_output()
    payload = payload_of("int8", array)
    payload[:4] = struct.pack("<f", np.nan)
    with pytest.raises(WireError, match="not finite"):
        decode("int8", payload, "float32", array.shape)


def test_a_payload_of_most_of_its_tensor_is_refused() -> None:
    with pytest.raises(WireError, match="exceeds 160"):
        decode("lossless", bytes(256), "float32", (8, 8))
