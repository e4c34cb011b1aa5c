"""Strided 1x1 convolutions become a selection of pixels: the same output, gradients that run."""

from typing import Any

import numpy as np
import patterns
import pytest
import zoo

from edgeseg.progress import silent
from edgeseg_converters.compress.prune.importance import IMPORTANCES
from edgeseg_converters.compress.rounding.fisher import fisher_error_costs
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.keras.rebuild import build
from edgeseg_converters.network import Network
from edgeseg_converters.rewrite.channel_classes import trace_channels
from edgeseg_converters.rewrite.subsampling import select_before_points

pytestmark = pytest.mark.tensorflow


def strided(padding: str = "valid", size: int = 64) -> Network:
    """A residual block whose shortcut is a strided 1x1 convolution to eight filters."""
    keras = import_keras()
    layers = keras.layers

    def block(x: Any) -> Any:
        shortcut = layers.Conv2D(8, 1, strides=2, padding=padding, use_bias=False, name="shortcut")(
            x
        )
        y = layers.Conv2D(8, 3, strides=2, padding="same")(x)
        return layers.Conv2DTranspose(4, 2, strides=2)(layers.ReLU()(shortcut + y))

    image = keras.Input((size, size, 1))
    x = block(layers.Conv2D(4, 3, padding="same", activation="relu")(image))
    head = layers.Conv2D(1, 1, activation="sigmoid")(x)
    return read_network(patterns.seeded(keras.Model(image, head)))


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_the_output_is_the_same(padding: str) -> None:
    network = strided(padding)
    selected = select_before_points(network)
    assert selected.graph.layer("shortcut").inputs == ("shortcut.selected",)
    assert selected.graph.tensors["shortcut.selected"].shape == (1, 32, 32, 4)
    images = zoo.random_images(1, 64)
    before, after = (build(each, "whole")([images]) for each in (network, selected))
    np.testing.assert_allclose(np.asarray(after), np.asarray(before), atol=1e-6)


def test_other_networks_stay_as_they_are() -> None:
    graph = read_network(zoo.plain(import_keras())).graph
    assert select_before_points(Network(graph, {})).graph == graph


def test_gradients_through_them_do_not_end_the_process() -> None:
    network = strided()
    images = list(zoo.random_images(2, 64)[:, np.newaxis])
    costs = fisher_error_costs(network, ["shortcut"], images)
    assert np.isfinite(costs["shortcut"]).all()
    scores = IMPORTANCES["taylor"](network, trace_channels(network.graph), images, silent)
    assert np.isfinite(scores).all()
