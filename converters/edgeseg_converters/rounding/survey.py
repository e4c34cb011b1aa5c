"""Which price brings a whole network to so many bits a weight."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgeseg.terminal import progress
from edgeseg_converters.chain import Image
from edgeseg_converters.forward import Forward
from edgeseg_converters.network import Network
from edgeseg_converters.rounding.choose import bits_of
from edgeseg_converters.rounding.columns import Unrolled
from edgeseg_converters.rounding.task import Request, task_for

_PRICES = np.geomspace(1e-14, 1e-9, 11)
"""Nats a pixel for one bit, from what changes nothing to what leaves next to nothing."""


def price_for(
    network: Network, kernels: Mapping[str, Unrolled], images: Sequence[Image], request: Request
) -> float:
    """Estimate at which price all kernels together have the bits that are wanted.

    Each kernel is tried with what the original network hands it.

    Returns
    -------
    float
        Nats a pixel for one bit; the lowest or highest of those tried where none fits.
    """
    forward, bits = Forward(network.graph, images), np.zeros(len(_PRICES))
    with progress(len(kernels), "counting bits") as advance:
        for name, kernel in kernels.items():
            reads = forward.reach(network.graph.layer(name), network.weights)
            task = task_for(kernel, network, reads, reads, request)
            bits += [bits_of(task, price) for price in _PRICES]
            advance()
    weights = sum(kernel.elements for kernel in kernels.values())
    return interpolated(bits / weights, _PRICES, request.bits)


def interpolated(bits: NDArray[np.float64], prices: NDArray[np.float64], wanted: float) -> float:
    """Return the price between two prices whose bits lie around those wanted; bits fall."""
    falling = np.minimum.accumulate(bits)
    return float(np.exp(np.interp(-wanted, -falling, np.log(prices))))
