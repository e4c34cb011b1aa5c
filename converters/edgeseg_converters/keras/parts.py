"""What one call in a Keras model becomes: one layer of the graph or several."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Arrays: TypeAlias = tuple[NDArray[np.float32], ...]


@dataclass(frozen=True)
class Operand:
    """A tensor that a call reads: its name in the graph, and its shape with N = 1."""

    name: str
    shape: tuple[int, ...]

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def last(self) -> int:
        """Number of the last axis."""
        return self.rank - 1


@dataclass(frozen=True)
class Known:
    """A value that shapes alone decide, such as the height of a tensor."""

    value: Any


@dataclass(frozen=True)
class Part:
    """A layer of the graph that a call becomes.

    Attributes
    ----------
    kind, settings
        Name of the kind of layer, and its settings as Keras has them.
    inputs
        Names of the tensors that it reads; what the part before it makes where there are none.
    weights
        Its arrays.
    """

    kind: str
    settings: Mapping[str, Any]
    inputs: tuple[str, ...] = ()
    weights: Arrays = ()


Outcome: TypeAlias = Operand | Known | tuple[Part, ...]
"""An output of a call: a tensor handed on, a known value, or parts that follow one another."""


def rescaling(scale: Any, offset: Any) -> Part:
    """Return the part that computes ``x * scale + offset``; numbers, or one a channel."""
    return Part("Rescaling", {"scale": _shortest(scale), "offset": _shortest(offset)})


def _shortest(value: Any) -> Any:
    """Return one number where all channels have the same, else a list."""
    array = np.asarray(value, np.float32).reshape(-1)
    if len(set(array.tolist())) == 1:
        return float(array[0])
    return array.tolist()
