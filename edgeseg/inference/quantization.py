"""What int8 values mean, and how they pass from one scale to another."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Port

_LOWEST, _HIGHEST = -128, 127


def quantize(array: NDArray[Any], port: Port) -> NDArray[np.int8]:
    """Return float values as the int8 values of a port, rounded to nearest and clipped."""
    scale, zero_point = _meaning(port)
    steps = np.rint(array / np.float32(scale)) + zero_point
    clipped: NDArray[np.int8] = np.clip(steps, _LOWEST, _HIGHEST).astype(np.int8)
    return clipped


def dequantize(array: NDArray[np.int8], port: Port) -> NDArray[np.float32]:
    """Return the float32 values that the int8 values of a port stand for."""
    scale, zero_point = _meaning(port)
    return (array.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


def requantize(array: NDArray[np.int8], producer: Port, consumer: Port) -> NDArray[np.int8]:
    """Carry int8 values from the scale of their producer to that of their consumer.

    Where no value changes, as between scales that calibration rounded differently, the array
    itself is returned; else 256 values are looked up.
    """
    every = np.arange(_LOWEST, _HIGHEST + 1, dtype=np.int8)
    table = quantize(dequantize(every, producer), consumer)
    if np.array_equal(table, every):
        return array
    return table[array.astype(np.int16) - _LOWEST]


def adapt(array: NDArray[Any], producer: Port, consumer: Port) -> NDArray[Any]:
    """Carry a tensor from the port that made it to the port that reads it."""
    if producer.dtype == consumer.dtype:
        return requantize(array, producer, consumer) if consumer.dtype == "int8" else array
    return quantize(array, consumer) if consumer.dtype == "int8" else dequantize(array, producer)


def _meaning(port: Port) -> tuple[float, int]:
    if port.scale is None or port.zero_point is None:
        raise ValueError(f"{port.tensor} has no scale and zero point")
    return port.scale, port.zero_point
