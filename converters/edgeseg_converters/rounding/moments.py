"""What a matrix is multiplied with, and what it should give: second moments over sampled sites."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeseg_converters.rounding.columns import Matrix, Unrolled

_SITES = 4096
"""Places of one image that are looked at, at most."""


@dataclass(frozen=True)
class Moments:
    """Means over all sites, of K inputs and O outputs.

    Attributes
    ----------
    second
        Of inputs times inputs, (K, K).
    cross
        Of inputs times outputs wanted, (K, O).
    inputs, outputs
        Of the inputs and of the outputs wanted, (K,) and (O,).
    """

    second: Matrix
    cross: Matrix
    inputs: Matrix
    outputs: Matrix

    def centred(self) -> "Moments":
        """Return covariances instead: those of a layer whose bias takes up any mean."""
        return Moments(
            self.second - np.outer(self.inputs, self.inputs),
            self.cross - np.outer(self.inputs, self.outputs),
            self.inputs,
            self.outputs,
        )


def moments(
    unrolled: Unrolled,
    reads: Sequence[NDArray[np.float32]],
    originals: Sequence[NDArray[np.float32]],
    arrays: Sequence[NDArray[np.float32]],
) -> Moments:
    """Take the moments of what a kernel reads, and of what it made of the original.

    Parameters
    ----------
    unrolled
        The kernel.
    reads
        What the layer reads in the network that is rounded so far, one array an image.
    originals
        What it reads in the original network.
    arrays
        Weights of the layer in the original network.
    """
    matrix = unrolled.matrix(arrays[unrolled.index])
    inputs, outputs = matrix.shape
    second, cross = np.zeros((inputs, inputs)), np.zeros((inputs, outputs))
    sums = np.zeros(inputs), np.zeros(outputs)
    weights, count = matrix.astype(np.float32), 0
    rng = np.random.default_rng(0)
    for read, original in zip(reads, originals, strict=True):
        total = unrolled.sites(read)
        sites = rng.choice(total, min(total, _SITES), replace=False)
        rows = unrolled.rows(read, sites)
        wanted = unrolled.rows(original, sites) @ weights
        second += rows.T @ rows
        cross += rows.T @ wanted
        sums[0][:] += rows.sum(axis=0)
        sums[1][:] += wanted.sum(axis=0)
        count += len(sites)
    return Moments(second / count, cross / count, sums[0] / count, sums[1] / count)
