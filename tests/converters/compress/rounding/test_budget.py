"""One price for all bits brings all kernels together to as many as they may have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg_converters.compress.fitting.moments import Moments
from edgeseg_converters.compress.rounding.budget import Budget, price_of
from edgeseg_converters.compress.rounding.gptq import RoundingTask, entropy_bits_at, rounding_task

PRICES = np.array([1e-4, 1e-3, 1e-2, 1e-1])


def task(seed: int, worth: float) -> RoundingTask:
    """A matrix whose inputs go together a little."""
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((500, 48)) @ (np.eye(48) + 0.2 * rng.standard_normal((48, 48)))
    matrix = rng.standard_normal((48, 8))
    second, made = inputs.T @ inputs / len(inputs), inputs @ matrix
    seen = Moments(second, inputs.T @ made / len(inputs), inputs.mean(axis=0), made.mean(axis=0))
    return rounding_task(matrix, seen, np.full(8, worth), 15)


@pytest.mark.parametrize("bits", [2.5, 2.0, 1.0])
def test_weights_take_the_bits_that_are_wanted(bits: float) -> None:
    tasks = [task(0, 1e-6), task(1, 1e-7)]
    budget = Budget(sum(kernel.weights.size for kernel in tasks))
    for kernel in tasks:
        budget.enter(kernel)
    price = budget.price(bits)
    taken = [
        entropy_bits_at(kernel, np.array([price]))[0] / kernel.weights.size for kernel in tasks
    ]
    assert np.mean(taken) == pytest.approx(bits, abs=0.2)
    assert taken[0] > taken[1]


@given(bits=st.floats(0.1, 5))
def test_prices_rise_as_bits_fall(bits: float) -> None:
    taken = np.array([4.0, 3.0, 3.0, 0.5])
    price = price_of(bits, PRICES, taken)
    assert price == 0 if bits >= 4 else 0.999e-4 <= price <= 0.1001
    assert price_of(0.9 * bits, PRICES, taken) >= price * (1 - 1e-12)


def test_price_of_two_prices_bits_fall_with_the_logarithm() -> None:
    assert price_of(3.5, PRICES, np.array([4.0, 3.0, 2.0, 1.0])) == pytest.approx(10**-3.5)


def test_bits_that_rise_by_chance_are_passed_over() -> None:
    assert 1e-2 <= price_of(2.4, PRICES, np.array([4.0, 2.5, 2.6, 1.0])) <= 1e-1
