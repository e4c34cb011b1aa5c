"""A graph together with the values of its weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg.graph import Graph

Weights: TypeAlias = Mapping[str, tuple[NDArray[np.float32], ...]]
"""Arrays of each layer that has any, in the order of its ``WeightSpec`` list."""


@dataclass(frozen=True)
class Network:
    """What a trained model is once its framework is put aside."""

    graph: Graph
    weights: Weights
