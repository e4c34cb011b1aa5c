"""What is left of a pruned network comes nearer to the whole one's answers, without training."""

import numpy as np
import pytest
import zoo
from numpy.typing import NDArray

from edgeseg_converters.compress.fitting.im2col import KernelMatrix, Matrix
from edgeseg_converters.compress.fitting.layerwise import Original, choose_kernels
from edgeseg_converters.compress.fitting.moments import Moments
from edgeseg_converters.compress.fitting.recalibrate import recalibrate
from edgeseg_converters.compress.prune.filters import FilterPruning, prune_filters
from edgeseg_converters.compress.prune.refit import refit
from edgeseg_converters.compress.recipe import Filters
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


def pruned(network: Network) -> FilterPruning:
    return prune_filters(network, Filters(0.5, multiple=2), IMAGES)


def answers(network: Network) -> NDArray[np.float32]:
    model = build(network, "whole")
    return np.concatenate([np.asarray(model([one[np.newaxis]])) for one in UNSEEN])


def error(network: Network, other: Network) -> float:
    return float(np.square(answers(network) - answers(other)).mean())


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_answers_come_nearer(family: str) -> None:
    network = network_of(family)
    pruning = pruned(network)
    before = error(recalibrate(pruning.network, IMAGES), network)
    assert error(refit(pruning, network, IMAGES), network) < before


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_nothing_gone_is_nothing_changed(family: str) -> None:
    network = network_of(family)
    whole = FilterPruning(network, {}, (), ())
    same = refit(whole, network, IMAGES)
    np.testing.assert_allclose(answers(same), answers(network), atol=1e-3)


def test_statistics_stay_where_nothing_moves() -> None:
    network = network_of("batch_norm")
    original = Original(network)

    def choose(kernel: KernelMatrix, _: Moments) -> Matrix:
        return original.outputs(kernel.layer.name)[1]

    same = choose_kernels(network, original, IMAGES, choose, "changing nothing")
    for name, arrays in network.weights.items():
        for old, new in zip(arrays, same.weights[name], strict=True):
            np.testing.assert_allclose(old, new, atol=1e-5)


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_channels_say_which_are_left(family: str) -> None:
    network = network_of(family)
    pruning = pruned(network)
    for layer in network.graph.layers:
        left = pruning.channels[layer.name]
        assert left.size == layer.output.shape[-1]
        assert left.sum() == pruning.network.graph.layer(layer.name).output.shape[-1]
