"""Gives batch normalization the statistics of what really reaches it, without any training."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError
from edgeseg.graph import Graph, Layer
from edgeseg.terminal import progress
from edgeseg_converters.chain import Image
from edgeseg_converters.network import Network
from edgeseg_converters.rebuild import build

_KIND = "BatchNormalization"

Alive: TypeAlias = dict[str, Any]
"""The tensors of one image that are still needed, by name."""


def recalibrate(network: Network, images: Sequence[Image]) -> Network:
    """Set the moving mean and variance of every batch normalization to those of these images.

    The layers are taken in order, so that each one's statistics are those of what the layers
    before it, recalibrated already, make of all images together. Exact, whatever the momentum;
    all other weights stay. The tensors alive at one layer are held for all images at once.

    Parameters
    ----------
    images
        Unlabelled slices as model inputs, (1, H, W, C) each.

    Returns
    -------
    Network
        The same object where there is no batch normalization.

    Raises
    ------
    UsageError
        If there is batch normalization and no image.
    """
    stages = list(_stages(network.graph))
    if not stages:
        return network
    if not images:
        raise UsageError("pruning a network with batch normalization needs --calibration")
    entering = network.graph.inputs[0].name
    alive: list[Alive] = [{entering: image} for image in images]
    with progress(len(stages) * len(images), "recalibrating batch normalization") as advance:
        for stage, layer in stages:
            model = build(Network(stage, network.weights), stage.name) if stage.layers else None
            needed = _needed(network.graph, layer)
            for index, tensors in enumerate(alive):
                alive[index] = _advance(model, stage, tensors, needed)
                advance()
            read = layer.inputs[0]
            network = _with_statistics(network, layer, [tensors[read] for tensors in alive])
    return network


def _stages(graph: Graph) -> Iterator[tuple[Graph, Layer]]:
    """Yield every batch normalization with the layers between it and the one before."""
    members: list[str] = []
    for layer in graph.layers:
        if layer.kind == _KIND:
            yield graph.subgraph(f"before_{layer.name}", members), layer
            members = []
        members.append(layer.name)


def _needed(graph: Graph, layer: Layer) -> set[str]:
    """Name the tensors that this layer or a later one reads."""
    return {name for later in graph.layers[graph.position[layer.name] :] for name in later.inputs}


def _advance(model: Any, stage: Graph, alive: Alive, needed: set[str]) -> Alive:
    """Run a stage, None if empty, on the tensors of one image; returns those still needed."""
    if model is not None:
        made = model([alive[tensor.name] for tensor in stage.inputs], training=False)
        alive = alive | dict(
            zip(stage.outputs, made if isinstance(made, list) else [made], strict=True)
        )
    return {name: tensor for name, tensor in alive.items() if name in needed}


def _with_statistics(network: Network, layer: Layer, arrays: Sequence[Any]) -> Network:
    """Put the mean and variance of what the layer reads in place of its last two arrays."""
    mean, variance = _statistics([np.asarray(array) for array in arrays], layer.config["axis"])
    kept = network.weights[layer.name][:-2]
    return replace(network, weights={**network.weights, layer.name: (*kept, mean, variance)})


def _statistics(
    arrays: Sequence[NDArray[np.float32]], axis: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and variance over all arrays, which have one shape, along every other axis."""
    others = tuple(other for other in range(arrays[0].ndim) if other != axis % arrays[0].ndim)
    means = np.stack([array.mean(others, np.float64) for array in arrays])
    within = np.stack([array.var(others, np.float64) for array in arrays])
    variance = within.mean(axis=0) + means.var(axis=0)
    return means.mean(axis=0).astype(np.float32), variance.astype(np.float32)
