"""Runs a network layer by layer on all images at once; weights may change on the way."""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg.network.graph import Graph, Layer
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.keras.quiet import import_tensorflow
from edgeseg_converters.keras.rebuild import build
from edgeseg_converters.network import Network, Weights

_TOGETHER = 8 * 256 * 256
"""Pixels of images that go through a layer at once."""

_Alive: TypeAlias = dict[str, Any]
"""The tensors of some images that are still needed, by name."""


class Forward:
    """Where a run through a graph has come to, and the tensors alive there, of all images.

    Parameters
    ----------
    graph
        What is run.
    images
        Model inputs, (1, H, W, C) each; at least one.
    """

    def __init__(self, graph: Graph, images: Sequence[ModelInput]) -> None:
        tensor, entering = import_tensorflow().constant, graph.inputs[0].name
        self._graph = graph
        self._place = 0
        count = max(1, _TOGETHER // math.prod(images[0].shape[1:3]))
        self._alive: list[_Alive] = [
            {entering: tensor(np.concatenate(images[start : start + count]))}
            for start in range(0, len(images), count)
        ]

    def reach(self, layer: Layer, weights: Weights) -> list[NDArray[np.float32]]:
        """Run on to a layer, and return what it reads first, one array an image.

        Parameters
        ----------
        layer
            One that was not passed yet.
        weights
            Those of the layers between; the layer's own may change before it is run.
        """
        graph, place = self._graph, self._graph.position[layer.name]
        members = [between.name for between in graph.layers[self._place : place]]
        stage = graph.subgraph(f"before_{layer.name}", members)
        model = build(Network(stage, weights), stage.name, None) if members else None
        needed = {name for later in graph.layers[place:] for name in later.inputs}
        for index, tensors in enumerate(self._alive):
            self._alive[index] = _advance(model, stage, tensors, needed)
        self._place = place
        reads = (np.asarray(tensors[layer.inputs[0]]) for tensors in self._alive)
        return [image[np.newaxis] for batch in reads for image in batch]


def _advance(model: Any, stage: Graph, alive: _Alive, needed: set[str]) -> _Alive:
    """Run a stage, None if empty, on the tensors of some images; returns those still needed."""
    if model is not None:
        outputs = model([alive[tensor.name] for tensor in stage.inputs], training=False)
        alive = alive | dict(
            zip(stage.outputs, outputs if isinstance(outputs, list) else [outputs], strict=True)
        )
    return {name: tensor for name, tensor in alive.items() if name in needed}
