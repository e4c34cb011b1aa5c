"""The price of a bit at which all kernels together take as many bits as they may."""

import numpy as np
from numpy.typing import NDArray

from edgeseg_converters.compress.rounding.gptq import RoundingTask, entropy_bits_at

_NATS = np.geomspace(1e-8, 1e-2, 13)
"""Prices of one bit less for every weight, in nats a pixel of the output."""


class Budget:
    """What the kernels of a network take at every price.

    With one price for all, a bit goes where it does the most good, in whichever layer.

    Parameters
    ----------
    weights
        How many there are in all kernels.
    """

    def __init__(self, weights: int) -> None:
        self._weights = weights
        self._prices = _NATS / weights
        self._bits = np.zeros(len(_NATS))

    def enter(self, task: RoundingTask) -> None:
        """Count what one kernel takes."""
        self._bits += entropy_bits_at(task, self._prices)

    def price(self, bits: float) -> float:
        """Return the price at which a weight takes so many bits on average."""
        return price_of(bits, self._prices, self._bits / self._weights)


def price_of(bits: float, prices: NDArray[np.float64], bits_taken: NDArray[np.float64]) -> float:
    """Interpolate the price of so many bits, along the logarithm of prices that rise.

    More bits than any price takes cost nothing; fewer cost the highest price.

    Parameters
    ----------
    bits
        Bits a weight.
    prices
        Rising prices of a bit, (P,).
    bits_taken
        Bits a weight that are taken at each, (P,).
    """
    if bits >= bits_taken[0]:
        return 0.0
    falling = np.minimum.accumulate(bits_taken)
    return float(np.exp(np.interp(-bits, -falling, np.log(prices))))
