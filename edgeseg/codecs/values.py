"""Values in fewer bytes, at a loss: as float16, or as 8 bits between each channel's extremes."""

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import EdgesegError, WireError

_HALF_LIMIT = 65504.0
"""The largest float16."""

_LARGEST = 1e38
"""What the values of a channel may span: a few times more would not be float32."""

_STEPS = 255
_SMALLEST_STEP = float(np.finfo(np.float32).tiny)
_BLOCK_VALUES = 2**17


def to_half(values: NDArray[np.float32]) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """Return values as float16, and the power of two that they were divided by, (1,).

    It is 1 unless the largest would exceed what float16 holds.

    Raises
    ------
    EdgesegError
        If a value is infinite or not a number.
    """
    with np.errstate(invalid="ignore"):
        largest = float(np.maximum(values.max(initial=0.0), -values.min(initial=0.0)))
    _refuse_unless_finite(largest)
    excess = max(largest / _HALF_LIMIT, 1.0)
    scale = np.float32(2.0 ** np.ceil(np.log2(excess)))
    halves = np.empty(values.shape, np.float16)
    for block in _blocks(values.shape):
        halves[block] = values[block] / scale
    return halves, np.array([scale], np.float32)


def from_half(values: NDArray[np.float16], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what :func:`to_half` was given, rounded.

    Raises
    ------
    WireError
        If the scale is zero, negative, infinite or not a number, or a value is not finite: nobody
        encodes such.
    """
    _check_scales(scales)
    with np.errstate(over="ignore", invalid="ignore"):
        restored = values.astype(np.float32)
        restored *= scales[0]
    if not np.isfinite(restored).all():
        raise WireError("an encoded tensor has values that are not finite")
    return restored


def to_steps(values: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return values as steps between the extremes of their channel, zero among them.

    Parameters
    ----------
    values
        Shape (N, C): channels last.

    Returns
    -------
    tuple of array
        Steps, uint8 (N, C); the value of step 0 and the size of a step, float32 (2, C).

    Raises
    ------
    EdgesegError
        If a value is infinite or not a number, or a channel spans more than float32 holds.
    """
    with np.errstate(invalid="ignore"):
        low = np.minimum(values.min(axis=0), 0).astype(np.float64)
        high = np.maximum(values.max(axis=0), 0).astype(np.float64)
        _refuse_unless_finite(float((high - low).max()))
    step = np.maximum((high - low) / _STEPS, _SMALLEST_STEP).astype(np.float32)
    lowest = low.astype(np.float32)
    inverse = (1 / step).astype(np.float32)
    steps = np.empty(values.shape, np.uint8)
    for block in _blocks(values.shape):
        scaled = (values[block] - lowest) * inverse
        np.rint(scaled, out=scaled)
        steps[block] = np.clip(scaled, 0, _STEPS, out=scaled)
    return steps, np.stack([lowest, step])


def from_steps(steps: NDArray[np.uint8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what :func:`to_steps` was given, rounded to steps.

    Raises
    ------
    WireError
        If the size of a step is zero, negative or infinite, or the value of step 0 is no number.
    """
    lowest, step = scales
    _check_scales(step)
    if not np.isfinite(lowest).all():
        raise WireError("an encoded tensor begins at a value that is not finite")
    values = np.empty(steps.shape, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for block in _blocks(steps.shape):
            np.multiply(steps[block], step, out=values[block])
            values[block] += lowest
    return values


def _blocks(shape: tuple[int, ...]) -> list[slice]:
    """Return the rows of an array (N, C) in blocks that stay in a core's cache."""
    rows = max(1, _BLOCK_VALUES // shape[1])
    return [slice(start, start + rows) for start in range(0, shape[0], rows)]


def _refuse_unless_finite(largest: float) -> None:
    if not largest <= _LARGEST:  # nor is NaN
        raise EdgesegError("it has values that are infinite, not a number, or above 1e38")


def _check_scales(scales: NDArray[np.float32]) -> None:
    if not (np.isfinite(scales) & (scales > 0)).all():
        raise WireError("an encoded tensor has a scale that is not above zero and finite")
