"""What errors inside a network cost at its output, by the Fisher information of each channel."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.progress import Progress, silent
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.keras.logits import ends_in_softmax
from edgeseg_converters.keras.quiet import import_tensorflow
from edgeseg_converters.keras.rebuild import build
from edgeseg_converters.network import Network
from edgeseg_converters.rewrite.subsampling import select_before_points

_MIN_PROBABILITY = 1e-6
"""Probabilities nearer to 0 or 1 are clipped: their logit says nothing."""


def fisher_error_costs(
    network: Network,
    layers: Sequence[str],
    images: Sequence[ModelInput],
    progress: Progress = silent,
) -> Mapping[str, NDArray[np.float64]]:
    """Estimate to second order what errors in the outputs of layers cost; no labels are needed.

    The cost is the Kullback-Leibler divergence between the probabilities with and without the
    error. Near zero it is half the square of the error times the Fisher information, whose
    diagonal the squares of random gradients give (Theis et al. 2018, "Faster gaze prediction with
    dense networks and Fisher pruning", arXiv:1801.05787, section 2). Errors at different places
    and channels are taken to be independent, and an activation inside a layer to hide none.

    Parameters
    ----------
    layers
        Names of layers, each inside the network.
    images
        Unlabelled slices as model inputs, (1, H, W, C) each.
    progress
        Told how many slices are done.

    Returns
    -------
    mapping
        For each layer, by channel: nats a pixel of the output for a mean square error of 1.
    """
    graph = network.graph
    watched = replace(network, graph=replace(graph, outputs=(*graph.outputs, *layers)))
    model = build(select_before_points(watched), "fisher")
    softmax = ends_in_softmax(graph)
    pixels = graph.tensors[graph.outputs[0]].elements / graph.tensors[graph.outputs[0]].shape[-1]
    sums: dict[str, Any] = dict.fromkeys(layers, 0.0)
    rng = np.random.default_rng(0)
    with progress(len(images), "weighing errors") as advance:
        for image in images:
            gradients = _gradients(model, image, rng, softmax=softmax)
            for layer, gradient in zip(layers, gradients, strict=True):
                squares = gradient.reshape(-1, gradient.shape[-1]).astype(np.float64) ** 2
                sums[layer] = sums[layer] + squares.sum(axis=0)
            advance()
    return {layer: total / (2 * len(images) * pixels) for layer, total in sums.items()}


def _gradients(
    model: Any, image: ModelInput, rng: np.random.Generator, *, softmax: bool
) -> list[NDArray[np.float32]]:
    """Return gradients of each inner output whose squares have the Fisher information as mean.

    The model runs eagerly, as for importance.
    """
    tensorflow = import_tensorflow()
    with tensorflow.GradientTape() as tape:
        output, *tensors = tensorflow.nest.flatten(model([image], training=False))
        probabilities = tensorflow.clip_by_value(output, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
        signs = rng.choice([-1.0, 1.0], output.shape).astype(np.float32)
        logits = tensorflow.math.log(probabilities)
        if not softmax:
            logits -= tensorflow.math.log(1 - probabilities)
        loss = tensorflow.reduce_sum(logits * _noise(output.numpy(), signs, softmax=softmax))
    zero = tensorflow.UnconnectedGradients.ZERO
    gradients = tape.gradient(loss, tensors, unconnected_gradients=zero)
    return [gradient.numpy() for gradient in gradients]


def _noise(
    output: NDArray[np.float32], signs: NDArray[np.float32], *, softmax: bool
) -> NDArray[np.float32]:
    """Turn random signs into a gradient at the logits, its covariance their Fisher information."""
    if not softmax:
        return np.asarray(np.sqrt(output * (1 - output)) * signs, np.float32)
    noise = np.sqrt(output) * signs
    return np.asarray(noise - output * noise.sum(axis=-1, keepdims=True), np.float32)
