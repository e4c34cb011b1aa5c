"""The network as data: layers and the tensors between them, no framework object in it.

Invariants of a :class:`Graph`:

- layers stand in a topological order;
- every layer makes exactly one tensor, and the tensor bears the layer's name;
- shapes are (N, H, W, C) with N = 1 (dense parts may have fewer axes, N first).
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

ITEM_SIZE = {"float32": 4, "float16": 2, "int8": 1, "uint8": 1, "int32": 4}


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named array between layers."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def elements(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.elements * ITEM_SIZE[self.dtype]


@dataclass(frozen=True, slots=True)
class WeightSpec:
    """Name and shape of one weight array of a layer; the values live beside the graph."""

    name: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Layer:
    """One operation: kind is the Keras class name, config what that class was built with."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    output: Tensor
    config: Mapping[str, Any] = field(default_factory=dict)
    weights: tuple[WeightSpec, ...] = ()

    @property
    def parameters(self) -> int:
        """Number of weight values, trainable or not."""
        return sum(weight.elements for weight in self.weights)


@dataclass(frozen=True)
class Graph:
    """Layers in topological order, the tensors that enter, and the names of those that leave."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...]
    layers: tuple[Layer, ...]

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """Every tensor by name, graph inputs first."""
        outputs = (layer.output for layer in self.layers)
        return {tensor.name: tensor for tensor in (*self.inputs, *outputs)}

    @cached_property
    def position(self) -> dict[str, int]:
        """Place of every layer in the topological order, by name."""
        return {layer.name: index for index, layer in enumerate(self.layers)}

    @cached_property
    def consumers(self) -> dict[str, tuple[str, ...]]:
        """Names of the layers that read each tensor, in topological order."""
        readers: dict[str, list[str]] = {name: [] for name in self.tensors}
        for layer in self.layers:
            for tensor in dict.fromkeys(layer.inputs):
                readers[tensor].append(layer.name)
        return {tensor: tuple(names) for tensor, names in readers.items()}

    @property
    def parameters(self) -> int:
        """Number of weight values of all layers."""
        return sum(layer.parameters for layer in self.layers)

    def layer(self, name: str) -> Layer:
        """Return the layer of that name."""
        return self.layers[self.position[name]]

    def subgraph(self, name: str, layers: Iterable[str]) -> "Graph":
        """Cut out a convex set of layers as a graph of its own.

        Its inputs are the tensors that it reads and does not make, its outputs those that it
        makes and that somebody outside reads (or that leave the whole graph); both in
        topological order.
        """
        inside = set(layers)
        members = tuple(layer for layer in self.layers if layer.name in inside)
        read = {tensor for layer in members for tensor in layer.inputs}
        inputs = tuple(t for t in self.tensors.values() if t.name in read - inside)
        outputs = tuple(layer.name for layer in members if self._leaves(layer.name, inside))
        return Graph(name, inputs, outputs, members)

    def _leaves(self, tensor: str, inside: set[str]) -> bool:
        return tensor in self.outputs or not inside.issuperset(self.consumers[tensor])


def live_tensors(graph: Graph) -> Iterator[tuple[Tensor, ...]]:
    """Yield, for each layer in order, the tensors alive once it has run and its inputs may go.

    A tensor is alive from where it is made to its last reader; graph outputs stay to the end.
    The set after layer *i* is the crossing set of a cut there.
    """
    end = len(graph.layers)
    last_use = {
        name: end
        if name in graph.outputs
        else max((graph.position[r] for r in readers), default=-1)
        for name, readers in graph.consumers.items()
    }
    alive = {tensor.name: tensor for tensor in graph.inputs}
    for index, layer in enumerate(graph.layers):
        alive[layer.name] = layer.output
        alive = {name: tensor for name, tensor in alive.items() if last_use[name] > index}
        yield tuple(alive.values())
