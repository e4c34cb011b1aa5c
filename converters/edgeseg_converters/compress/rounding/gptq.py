"""GPTQ with an entropy term: weights take few values, and each makes good earlier errors.

Frantar et al. 2022, "GPTQ: accurate post-training quantization for generative pre-trained
transformers", arXiv:2210.17323, which builds on the optimal brain surgeon (Hassibi and Stork 1993).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from edgeseg_converters.compress.fitting.im2col import Matrix
from edgeseg_converters.compress.fitting.moments import Moments

_SWEEPS = 3
"""The first sweep tells how often each value is taken, the next what it costs."""
_BLOCK = 128
"""Inputs whose errors are passed on to all later ones at once."""
_MAX_WEIGHTS = 2**24
"""Weights that are rounded side by side."""
_SHRINKING = np.linspace(0.4, 1, 25)
"""Largest values to try, as shares of the largest weight."""


@dataclass(frozen=True)
class RoundingTask:
    """One matrix to be rounded, its inputs in the order in which they are.

    Attributes
    ----------
    weights
        Before rounding, (K, O).
    order
        Place of each input in the matrix, (K,).
    factor
        Upper Cholesky factor of the inverse second moments, (K, K).
    error_cost
        Cost of a mean square error of 1, (O,).
    step
        Distance between two values of each output, (O,).
    half
        Values on either side of zero.
    """

    weights: Matrix
    order: NDArray[np.int64]
    factor: Matrix
    error_cost: Matrix
    step: Matrix
    half: int


def rounding_task(
    matrix: Matrix, moments: Moments, error_cost: NDArray[np.float64], levels: int, places: int = 1
) -> RoundingTask:
    """Fit a matrix anew to the inputs that it really gets, and choose its values.

    Parameters
    ----------
    matrix
        The original weights, (K, O).
    moments
        Of what it reads and should make.
    error_cost
        Cost of a mean square error of 1, by channel.
    levels
        How many values an output's weights take, an odd number.
    places
        So many outputs next to each other make one channel, and share their values.
    """
    second, fitted = moments.regular(), moments.fitted(matrix)
    order = np.argsort(-np.diag(second), kind="stable")
    second, fitted = second[np.ix_(order, order)], fitted[order]
    step = _steps(fitted, np.diag(second), levels // 2, places)
    return RoundingTask(
        fitted, order, _factor(second), np.repeat(error_cost, places), step, levels // 2
    )


def round_matrix(task: RoundingTask, price: float) -> Matrix:
    """Round so that outputs stay near what is wanted, and values pack well.

    It is done input by input: what an input's rounding spoils, the weights of the inputs after it
    make good as far as the inputs go together (Frantar et al. 2022, "GPTQ", arXiv:2210.17323,
    algorithm 1). Each weight takes the value, among the nearest, the next towards zero, and zero,
    at which error and bits together cost least (as in Wiedemann et al. 2019, "DeepCABAC",
    arXiv:1907.11900).

    Parameters
    ----------
    price
        Cost of a bit, in the unit of ``task.error_cost``.

    Returns
    -------
    ndarray
        (K, O); each output takes at most as many evenly spaced values as the task has levels,
        zero among them.
    """
    rounded = np.empty_like(task.weights)
    (steps,) = _rounded_steps(task, np.array([price]))
    rounded[task.order] = steps * task.step
    return rounded


def entropy_bits_at(task: RoundingTask, prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Count the bits that an entropy coder spends on the matrix, rounded at each price.

    Parameters
    ----------
    task
        The matrix and its values.
    prices
        Cost of a bit, (P,).

    Returns
    -------
    ndarray
        Bits of the whole matrix, (P,).
    """
    count = max(1, _MAX_WEIGHTS // task.weights.size)
    parts = [prices[start : start + count] for start in range(0, len(prices), count)]
    return np.concatenate([_bits_at(task, part) for part in parts])


def _bits_at(task: RoundingTask, prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round the matrix once a price, side by side: what takes time is the number of inputs."""
    rounded = _rounded_steps(_repeated(task, len(prices)), prices)
    return np.array([_value_bits(steps, task.half)[steps + task.half].sum() for steps in rounded])


def _repeated(task: RoundingTask, times: int) -> RoundingTask:
    """Return the task with all outputs repeated side by side."""
    return replace(
        task,
        weights=np.tile(task.weights, times),
        error_cost=np.tile(task.error_cost, times),
        step=np.tile(task.step, times),
    )


def _rounded_steps(task: RoundingTask, prices: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many steps from zero each weight is rounded to, (prices, K, O).

    Parameters
    ----------
    task
        With as many outputs for each price, side by side.
    """
    levels, count = 2 * task.half + 1, task.weights.shape[1] // len(prices)
    bits = np.full((len(prices), levels), np.log2(levels))
    for _ in range(_SWEEPS):
        cost = np.repeat(prices[:, np.newaxis] * bits, count, axis=0).T
        swept = _sweep(task, cost).reshape(-1, len(prices), count)
        rounded = np.moveaxis(swept, 1, 0)
        bits = np.array([_value_bits(steps, task.half) for steps in rounded])
    return rounded


def _factor(second: Matrix) -> Matrix:
    """Return the upper Cholesky factor U of the inverse, which is U.T @ U, without inverting."""
    upper = np.linalg.cholesky(second[::-1, ::-1])[::-1, ::-1]
    return np.asarray(solve_triangular(upper, np.eye(len(second))))


def _steps(fitted: Matrix, moments: Matrix, half: int, places: int) -> Matrix:
    """Choose how far apart the values of each output are, by the least error of plain rounding."""
    largest = np.abs(fitted).reshape(len(fitted), -1, places).max(axis=(0, 2))
    lowest, best = np.full(len(largest), np.inf), largest / half
    for share in _SHRINKING:
        step = largest * share / half
        wide = np.repeat(_no_zero(step), places)
        error = (np.clip(np.round(fitted / wide), -half, half) * wide - fitted) ** 2
        total = (moments @ error).reshape(-1, places).sum(axis=1)
        best = np.where(total < lowest, step, best)
        lowest = np.minimum(total, lowest)
    return np.repeat(_no_zero(best), places)


def _no_zero(steps: Matrix) -> Matrix:
    """Give an output of zeros alone some step; any will do."""
    return np.where(steps > 0, steps, 1.0)


def _sweep(task: RoundingTask, cost: Matrix) -> NDArray[np.int64]:
    """Round every input once, in order; returns how many steps from zero each weight is, (K, O).

    Parameters
    ----------
    cost
        Of each value, from the lowest to the highest, by output, (levels, O).
    """
    weights = task.weights.copy()
    steps = np.zeros(weights.shape, np.int64)
    for start in range(0, len(weights), _BLOCK):
        block = slice(start, min(start + _BLOCK, len(weights)))
        errors = np.zeros((block.stop - start, weights.shape[1]))
        for place in range(start, block.stop):
            scale = task.factor[place, place]
            steps[place], errors[place - start] = _choose(task, weights[place], scale, cost)
            later = slice(place + 1, block.stop)
            weights[later] -= np.outer(task.factor[place, later], errors[place - start])
        weights[block.stop :] -= task.factor[block, block.stop :].T @ errors
    return steps


def _choose(
    task: RoundingTask, weights: Matrix, scale: float, cost: Matrix
) -> tuple[NDArray[np.int64], Matrix]:
    """Choose the values of one input's weights; returns them in steps, and the errors passed on."""
    half, step = task.half, task.step
    nearest = np.clip(np.round(weights / step), -half, half).astype(np.int64)
    options = np.stack([nearest, nearest - np.sign(nearest), np.zeros_like(nearest)])
    errors = (weights - options * step) / scale
    best = np.argmin(
        errors**2 * task.error_cost + np.take_along_axis(cost, options + half, 0), axis=0
    )[np.newaxis]
    return (
        np.take_along_axis(options, best, axis=0)[0],
        np.take_along_axis(errors, best, axis=0)[0],
    )


def _value_bits(steps: NDArray[np.int64], half: int) -> Matrix:
    """Return the bits that an entropy coder spends on each value, by how often it occurs."""
    counts = np.bincount((steps + half).ravel(), minlength=2 * half + 1) + 0.5
    return np.asarray(-np.log2(counts / counts.sum()))
