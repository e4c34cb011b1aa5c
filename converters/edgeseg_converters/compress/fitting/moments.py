"""Second moments of a kernel's inputs, and of them with its target outputs, at sampled sites."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeseg_converters.compress.fitting.im2col import KernelMatrix, Matrix

_LEAST_SITES, _MOST_SITES = 256, 2048
"""Places of one image that are looked at."""
_SITES_PER_INPUT = 32
"""Of all images together; more hardly change what is chosen."""
_RIDGE = 0.01
"""Of the mean second moment, added to each: what was hardly ever seen is hardly used."""
_LEAST_SPREAD = 1e-4
"""Of the squared mean, added as well: what hardly varies differs by rounding errors alone."""


@dataclass(frozen=True)
class Moments:
    """Means over all sites, of K inputs and O outputs.

    Attributes
    ----------
    second
        Of inputs times inputs, (K, K).
    cross
        Of inputs times target outputs, (K, O).
    inputs, outputs
        Of the inputs and of the target outputs, (K,) and (O,).
    """

    second: Matrix
    cross: Matrix
    inputs: Matrix
    outputs: Matrix

    @property
    def ridge(self) -> float:
        """What is added to every second moment, more than zero."""
        mean_square = float(np.mean(np.diag(self.second)))
        constant = float(np.mean(self.inputs**2))
        return _RIDGE * mean_square + _LEAST_SPREAD * constant + float(np.finfo(float).tiny)

    def regular(self) -> Matrix:
        """Return the second moments of inputs with the ridge added: they can be inverted."""
        return self.second + self.ridge * np.eye(len(self.second))

    def fitted(self, matrix: Matrix) -> Matrix:
        """Return weights, (K, O), by ridge regression of the target outputs towards a matrix."""
        weights = np.linalg.solve(self.regular(), self.cross + self.ridge * matrix)
        return np.asarray(weights, np.float64)

    def centred(self) -> "Moments":
        """Return covariances instead: those of a layer whose bias takes up any mean."""
        return Moments(
            self.second - np.outer(self.inputs, self.inputs),
            self.cross - np.outer(self.inputs, self.outputs),
            self.inputs,
            self.outputs,
        )


def moments(
    kernel: KernelMatrix,
    reads: Sequence[NDArray[np.float32]],
    target: KernelMatrix,
    matrix: Matrix,
    originals: Sequence[NDArray[np.float32]],
) -> Moments:
    """Return the moments of a kernel's inputs, and of them with its target outputs.

    They are added up in double precision: what varies little around a large mean is what is left
    when its square has been subtracted.

    Parameters
    ----------
    kernel
        The one that is chosen anew.
    reads
        What it reads, one array an image.
    target, matrix
        The kernel that makes the target outputs, and its weights, (K', O).
    originals
        What the target kernel reads, one array an image.
    """
    second, cross, count = np.zeros(1), np.zeros(1), 0
    sums = np.zeros(1), np.zeros(1)
    for rows, outputs in _batches(kernel, reads, target, matrix.astype(np.float32), originals):
        second = second + rows.T @ rows
        cross = cross + rows.T @ outputs
        sums = sums[0] + rows.sum(axis=0), sums[1] + outputs.sum(axis=0)
        count += len(rows)
    return Moments(second / count, cross / count, sums[0] / count, sums[1] / count)


def _batches(
    kernel: KernelMatrix,
    reads: Sequence[NDArray[np.float32]],
    target: KernelMatrix,
    matrix: NDArray[np.float32],
    originals: Sequence[NDArray[np.float32]],
) -> Iterator[tuple[Matrix, Matrix]]:
    """Yield inputs and target outputs of the kernel at sampled sites, (sites, K) and (sites, O).

    Several images make a batch: adding up many large matrices takes longer than making them.
    """
    rng = np.random.default_rng(0)
    sites_per_image = _sites(kernel.inputs, len(reads))
    rows, outputs = [], []
    for read, original in zip(reads, originals, strict=True):
        total = kernel.sites(read)
        sites = rng.choice(total, min(total, sites_per_image), replace=False)
        rows.append(kernel.rows(read, sites))
        outputs.append(target.rows(original, sites) @ matrix)
        if sum(map(len, rows)) >= _MOST_SITES:
            yield _joined(rows), _joined(outputs)
            rows, outputs = [], []
    if rows:
        yield _joined(rows), _joined(outputs)


def _sites(inputs: int, images: int) -> int:
    """Say how many places of each image are looked at, at most."""
    return min(max(_SITES_PER_INPUT * inputs // images, _LEAST_SITES), _MOST_SITES)


def _joined(arrays: Sequence[NDArray[np.float32]]) -> Matrix:
    return np.concatenate(arrays, dtype=np.float64)
