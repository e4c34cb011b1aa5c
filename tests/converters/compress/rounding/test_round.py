"""A network rounded keeps its answers, from few values; nothing else of it changes."""

from collections.abc import Iterator

import numpy as np
import pytest
import zoo
from numpy.typing import NDArray

from edgeseg.errors import UsageError
from edgeseg_converters.compress.fitting.im2col import kernel_matrix
from edgeseg_converters.compress.fitting.layerwise import augmented_slices
from edgeseg_converters.compress.fitting.recalibrate import recalibrate
from edgeseg_converters.compress.prune.kernels import sparsity
from edgeseg_converters.compress.recipe import Rounding
from edgeseg_converters.compress.rounding.round import round_weights
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.keras.rebuild import build
from edgeseg_converters.network import Network

pytestmark = pytest.mark.tensorflow

keras = import_keras()
IMAGES = list(zoo.random_images(3)[:, np.newaxis])
UNSEEN = zoo.random_images(5)[3:]


def network_of(family: str) -> Network:
    return recalibrate(read_network(zoo.FAMILIES[family](keras)), IMAGES)


def answers(network: Network) -> NDArray[np.float32]:
    model = build(network, "whole")
    return np.concatenate([np.asarray(model([one[np.newaxis]])) for one in UNSEEN])


def error(network: Network, other: Network) -> float:
    return float(np.abs(answers(network) - answers(other)).mean())


def channels(network: Network) -> Iterator[NDArray[np.float32]]:
    """Yield the weights of every output channel that may be rounded."""
    for layer in network.graph.layers:
        kernel = kernel_matrix(layer, network.weights)
        if kernel is not None:
            matrix = kernel.matrix(network.weights[layer.name][kernel.index])
            yield from matrix.reshape(len(matrix), -1, kernel.places).transpose(1, 0, 2)


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_answers_stay_and_values_are_few(family: str) -> None:
    network = network_of(family)
    rounded = round_weights(network, IMAGES, Rounding(8, 15))
    plain = round_weights(network, IMAGES, Rounding(8, 255))
    assert all(len(np.unique(one.round(7))) <= 15 for one in channels(rounded))
    assert error(plain, network) < 0.01
    assert error(rounded, network) < 0.05


def test_few_bits_make_zeros() -> None:
    network = network_of("batch_norm")
    shares, errors = [], []
    for bits in (8.0, 2.0, 1.0):
        rounded = round_weights(network, IMAGES, Rounding(bits))
        shares.append(sparsity(rounded.graph, rounded.weights))
        errors.append(error(rounded, network))
    assert shares == sorted(shares)
    assert shares[-1] > shares[0] + 0.1
    assert errors == sorted(errors)


def test_rounding_to_the_inputs_that_come_is_better_than_to_those_that_came() -> None:
    """Each kernel for itself: rounded alone in the original network, then put together."""
    network = network_of("plain")
    together = round_weights(network, IMAGES, Rounding(8, 5))
    weights = dict(network.weights)
    for layer in network.graph.layers:
        kernel = kernel_matrix(layer, network.weights)
        if kernel is not None:
            arrays = list(weights[layer.name])
            matrix = kernel.matrix(arrays[kernel.index])
            step = np.abs(matrix).max(axis=0) / 2
            arrays[kernel.index] = kernel.kernel(np.round(matrix / step) * step)
            weights[layer.name] = tuple(arrays)
    assert error(together, network) < 0.5 * error(Network(network.graph, weights), network)


@pytest.mark.parametrize("family", ["batch_norm", "separable"])
def test_all_else_stays(family: str) -> None:
    plain = network_of(family)
    seen = augmented_slices(IMAGES, plain.graph)
    network = recalibrate(plain, seen)
    rounded = round_weights(network, IMAGES, Rounding(2.5))
    assert rounded.graph is network.graph
    for layer in network.graph.layers:
        if layer.kind in {"BatchNormalization", "DepthwiseConv2D"}:
            old, new = network.weights[layer.name], rounded.weights[layer.name]
            kept = -2 if layer.kind == "BatchNormalization" else len(old)
            for one, other in zip(old[:kept], new[:kept], strict=True):
                np.testing.assert_array_equal(one, other)
    mended = recalibrate(rounded, seen)
    for name, arrays in mended.weights.items():
        for one, other in zip(arrays, rounded.weights[name], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_the_same_twice() -> None:
    network = network_of("attention")
    once, twice = (round_weights(network, IMAGES, Rounding(2.5)) for _ in range(2))
    for name, arrays in once.weights.items():
        for one, other in zip(arrays, twice.weights[name], strict=True):
            np.testing.assert_array_equal(one, other)


def test_slices_are_needed() -> None:
    with pytest.raises(UsageError, match="calibration"):
        round_weights(network_of("plain"), [], Rounding(2.0))
