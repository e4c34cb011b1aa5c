"""Batch normalization gets the statistics of the images, layer after layer; nothing else moves."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import zoo

from edgeseg.errors import UsageError
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.fitting.recalibrate import recalibrate
from edgeseg_converters.compress.prune.threshold import prune_below_threshold
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.keras.rebuild import build
from edgeseg_converters.network import Network

pytestmark = pytest.mark.tensorflow

keras = import_keras()
IMAGES: Sequence[ModelInput] = list(zoo.random_images(3)[:, np.newaxis])
WITH_BATCH_NORM = ("batch_norm", "residual", "recurrent_residual", "separable", "u_net_3_plus")


def norms_of(network: Network) -> list[str]:
    return [layer.name for layer in network.graph.layers if layer.kind == "BatchNormalization"]


def reaching(network: Network, norm: str) -> Any:
    """Run all images to the tensor that a batch normalization reads."""
    model = build(network, "whole")
    inner = keras.Model(model.inputs, model.get_layer(norm).input)
    return np.asarray(inner([np.concatenate(IMAGES)], training=False))


@pytest.mark.parametrize("family", WITH_BATCH_NORM)
def test_statistics_are_those_of_what_reaches_the_layer(family: str) -> None:
    pruned = prune_below_threshold(read_network(zoo.FAMILIES[family](keras)), 0.5)
    mended = recalibrate(pruned, IMAGES)
    assert norms_of(mended)
    for norm in norms_of(mended):
        read = reaching(mended, norm)
        mean, variance = mended.weights[norm][-2:]
        np.testing.assert_allclose(mean, read.mean((0, 1, 2)), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(variance, read.var((0, 1, 2)), rtol=1e-3, atol=1e-5)
        assert mean.dtype == variance.dtype == np.float32


def test_all_other_weights_stay() -> None:
    network = read_network(zoo.batch_norm(keras))
    mended = recalibrate(network, IMAGES)
    assert mended.graph is network.graph
    assert mended.weights.keys() == network.weights.keys()
    for name, arrays in network.weights.items():
        kept = len(arrays) - 2 * (name in norms_of(network))
        for old, new in zip(arrays[:kept], mended.weights[name][:kept], strict=True):
            np.testing.assert_array_equal(old, new)


def test_a_second_time_changes_nothing() -> None:
    once = recalibrate(read_network(zoo.batch_norm(keras)), IMAGES)
    twice = recalibrate(once, IMAGES)
    for name, arrays in once.weights.items():
        for old, new in zip(arrays, twice.weights[name], strict=True):
            np.testing.assert_array_equal(old, new)


def test_normalization_along_another_axis_and_on_the_image_itself() -> None:
    inputs = keras.Input((4, 4, 2), name="image")
    x = keras.layers.BatchNormalization(axis=1, name="rows", scale=False)(inputs)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.BatchNormalization(name="dense", center=False)(x)
    network = read_network(keras.Model(inputs, keras.layers.Reshape((4, 4, 2))(x)))
    images = list(zoo.random_images(5, size=4, channels=2)[:, np.newaxis])
    mended = recalibrate(network, images)
    stack = np.concatenate(images)
    np.testing.assert_allclose(mended.weights["rows"][-2], stack.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(mended.weights["rows"][-1], stack.var((0, 2, 3)), rtol=1e-5)
    assert [array.shape for array in mended.weights["dense"]] == [(32,)] * 3


def test_without_batch_normalization_the_network_comes_back() -> None:
    network = read_network(zoo.plain(keras))
    assert recalibrate(network, []) is network


def test_no_images_are_refused() -> None:
    with pytest.raises(UsageError, match="needs calibration"):
        recalibrate(read_network(zoo.batch_norm(keras)), [])
