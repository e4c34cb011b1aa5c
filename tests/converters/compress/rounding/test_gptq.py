"""Weights end on few values, near in what they compute, and on fewer bits for a higher price."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg_converters.compress.fitting.im2col import Matrix
from edgeseg_converters.compress.fitting.moments import Moments
from edgeseg_converters.compress.rounding.gptq import round_matrix, rounding_task

EVEN = np.ones(4)


def moments_of(inputs: Matrix, matrix: Matrix) -> Moments:
    made = inputs @ matrix
    count = len(inputs)
    return Moments(
        inputs.T @ inputs / count, inputs.T @ made / count, inputs.mean(axis=0), made.mean(axis=0)
    )


def related(seed: int, size: int = 24) -> tuple[Matrix, Matrix]:
    """Make inputs that go together, and a matrix."""
    rng = np.random.default_rng(seed)
    few = rng.standard_normal((400, size // 3))
    inputs = few @ rng.standard_normal((size // 3, size)) + 0.1 * rng.standard_normal((400, size))
    return inputs, rng.standard_normal((size, 4))


def steps_of(rounded: Matrix, levels: int) -> Matrix:
    """Say how many steps from zero each weight is, by the least distance of its output."""
    magnitudes = np.abs(rounded)
    found = np.empty_like(rounded)
    for output in range(rounded.shape[1]):
        values = np.unique(magnitudes[:, output].round(9))
        gaps = np.diff(np.unique(np.append(values, 0.0)))
        found[:, output] = rounded[:, output] / gaps.min() if gaps.size else 0
    assert np.abs(found).max() <= levels // 2 + 1e-6
    return found


def bits_of(rounded: Matrix) -> float:
    """Return the bits a weight of an entropy coder, each output in its own unit."""
    largest = np.abs(rounded).max(axis=0)
    codes = (rounded / np.where(largest > 0, largest, 1)).round(6) + 0.0
    _, counts = np.unique(codes, return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


@given(seed=st.integers(0, 2**16), levels=st.sampled_from([3, 7, 15, 255]))
def test_few_values_evenly_spaced(seed: int, levels: int) -> None:
    inputs, matrix = related(seed)
    rounded = round_matrix(rounding_task(matrix, moments_of(inputs, matrix), EVEN, levels), 0)
    for output in rounded.T:
        assert len(np.unique(output.round(9))) <= levels
    if levels <= 15:
        steps = steps_of(rounded, levels)
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-5)


def test_rounding_together_is_better_than_each_for_itself() -> None:
    errors = []
    for seed in range(30):
        inputs, matrix = related(seed)
        rounded = round_matrix(rounding_task(matrix, moments_of(inputs, matrix), EVEN, 7), 0)
        step = np.abs(matrix).max(axis=0) / 3
        plain = np.round(matrix / step) * step
        errors.append([((inputs @ (one - matrix)) ** 2).mean() for one in (rounded, plain)])
    together, alone = np.mean(errors, axis=0)
    assert together < 0.4 * alone


def test_unrelated_inputs_leave_each_weight_its_nearest_value() -> None:
    _, matrix = related(0)
    size = len(matrix)
    alone = Moments(np.eye(size), matrix, np.zeros(size), np.zeros(4))
    rounded = round_matrix(rounding_task(matrix, alone, EVEN, 255), 0)
    assert np.abs(rounded - matrix).max() <= np.abs(matrix).max() / 127 / 2 + 1e-9


def test_bits_become_fewer_and_errors_larger_with_the_price() -> None:
    inputs, matrix = related(3, size=96)
    task = rounding_task(matrix, moments_of(inputs, matrix), EVEN, 15)
    made = [round_matrix(task, price) for price in (0.0, 1e-1, 1.0, 10.0, 1e3)]
    bits = [bits_of(one) for one in made]
    errors = [((inputs @ (one - matrix)) ** 2).mean() for one in made]
    assert bits == sorted(bits, reverse=True)
    assert errors == sorted(errors)
    assert bits[1] < bits[0]
    assert not made[-1].any()


def test_outputs_whose_errors_cost_more_keep_more_bits() -> None:
    inputs, matrix = related(4, size=96)
    worth = np.array([1e-3, 1e-3, 1.0, 1.0])
    rounded = round_matrix(rounding_task(matrix, moments_of(inputs, matrix), worth, 15), 1e-3)
    assert bits_of(rounded[:, :2]) < bits_of(rounded[:, 2:])


def test_places_of_a_channel_share_their_values() -> None:
    inputs, matrix = related(5)
    task = rounding_task(matrix, moments_of(inputs, matrix), np.ones(2), 7, places=2)
    rounded = round_matrix(task, 0)
    for channel in (rounded[:, :2], rounded[:, 2:]):
        assert len(np.unique(np.abs(channel).round(9))) <= 4


def test_weights_make_good_what_their_inputs_lack() -> None:
    inputs, matrix = related(6)
    weakened = 0.5 * inputs
    moments = Moments(
        weakened.T @ weakened / len(inputs),
        weakened.T @ (inputs @ matrix) / len(inputs),
        weakened.mean(axis=0),
        (inputs @ matrix).mean(axis=0),
    )
    rounded = round_matrix(rounding_task(matrix, moments, EVEN, 255), 0)
    wanted = inputs @ matrix
    assert ((weakened @ rounded - wanted) ** 2).mean() < 0.1 * (wanted**2).mean()


@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_inputs_that_never_change(constant: float) -> None:
    _, matrix = related(7)
    inputs = np.full((50, len(matrix)), constant)
    moments = moments_of(inputs, matrix).centred()
    rounded = round_matrix(rounding_task(matrix, moments, EVEN, 15), 1e-9)
    assert np.isfinite(rounded).all()
