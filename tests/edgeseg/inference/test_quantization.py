"""int8 values keep their meaning from port to port."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.bundle.manifest import Port
from edgeseg.inference.quantization import adapt, dequantize, quantize, requantize

EVERY = np.arange(-128, 128, dtype=np.int8)
PLAIN = Port("x", (1, 256))

ports = st.builds(
    lambda scale, zero_point: Port("x", (1, 256), "int8", scale, zero_point),
    st.floats(1e-4, 10),
    st.integers(-128, 127),
)


@given(ports)
def test_quantizing_undoes_dequantizing(port: Port) -> None:
    np.testing.assert_array_equal(quantize(dequantize(EVERY, port), port), EVERY)


@given(ports, st.lists(st.floats(-1e4, 1e4, width=32), min_size=1))
def test_error_is_half_a_step_inside_the_range(port: Port, values: list[float]) -> None:
    array = np.array(values, np.float32)
    low, high = dequantize(np.array([-128, 127], np.int8), port)
    clipped = np.clip(array, low, high)
    error = np.abs(dequantize(quantize(array, port), port) - clipped)
    assert port.scale is not None
    assert (error <= port.scale * 0.5 + 1e-4 * np.abs(clipped) + 1e-6).all()


@given(ports, ports)
def test_requantizing_equals_the_way_over_float(producer: Port, consumer: Port) -> None:
    expected = quantize(dequantize(EVERY, producer), consumer)
    np.testing.assert_array_equal(requantize(EVERY, producer, consumer), expected)


@given(ports)
def test_same_scale_passes_the_array_itself(port: Port) -> None:
    assert requantize(EVERY, port, port) is EVERY
    assert adapt(EVERY, port, port) is EVERY


@given(ports)
def test_adapting_goes_between_float_and_int8(port: Port) -> None:
    floats = dequantize(EVERY, port)
    assert adapt(floats, PLAIN, PLAIN) is floats
    np.testing.assert_array_equal(adapt(floats, PLAIN, port), EVERY)
    np.testing.assert_array_equal(adapt(EVERY, port, PLAIN), floats)


@pytest.mark.parametrize(("scale", "zero_point"), [(None, 3), (0.5, None), (0.0, 3), (-1.0, 3)])
def test_int8_without_meaning_is_no_port(scale: float | None, zero_point: int | None) -> None:
    with pytest.raises(ValueError, match="x is int8 without scale and zero point"):
        Port("x", (1,), "int8", scale, zero_point)


def test_scales_that_differ_in_rounding_alone_change_nothing() -> None:
    """As those of the same tensor in two pieces, calibrated with the same slices."""
    one, other = (
        Port("x", (1, 256), "int8", scale, -128) for scale in (0.0147957690, 0.0147957727)
    )
    assert requantize(EVERY, one, other) is EVERY
