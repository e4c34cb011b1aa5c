"""What makes a channel matter: its weights, its batch norm's scale, or the loss without it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import zoo

from edgeseg.errors import UsageError
from edgeseg_converters.compress.calibration import evenly_spaced
from edgeseg_converters.compress.prune.importance import (
    ChannelScores,
    by_batch_norm,
    by_l1,
    by_taylor,
)
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.keras.rebuild import build
from edgeseg_converters.network import Network
from edgeseg_converters.rewrite.channel_classes import trace_channels

pytestmark = pytest.mark.tensorflow

keras = import_keras()
layers = keras.layers
IMAGES = list(zoo.random_images(2)[:, np.newaxis])


def network_of(family: str) -> Network:
    return read_network(zoo.FAMILIES[family](keras))


def changed(network: Network, layer: str, *arrays: Any) -> Network:
    return replace(network, weights={**network.weights, layer: arrays})


def ranked(scores: ChannelScores, network: Network, layer: str) -> Any:
    return scores[trace_channels(network.graph).tensors[layer]]


def test_l1_adds_up_a_filter() -> None:
    network = network_of("plain")
    channels = trace_channels(network.graph)
    scores = by_l1(network, channels)
    for layer in network.graph.layers:
        if layer.kind in {"Conv2D", "Conv2DTranspose"}:
            kernel = network.weights[layer.name][0]
            axes = (0, 1, 2) if layer.kind == "Conv2D" else (0, 1, 3)
            expected = np.abs(kernel).sum(axis=axes)
            np.testing.assert_allclose(scores[channels.tensors[layer.name]], expected, rtol=1e-6)


def test_l1_of_a_sum_counts_both_kernels() -> None:
    network = network_of("residual")
    channels = trace_channels(network.graph)
    (one, other) = channels.groups[0].layers
    expected = sum(np.abs(network.weights[name][0]).sum(axis=(0, 1, 2)) for name in (one, other))
    np.testing.assert_allclose(by_l1(network, channels)[channels.tensors[one]], expected, rtol=1e-6)


def test_l1_of_a_separable_convolution_is_that_of_its_pointwise_kernel() -> None:
    network = network_of("separable")
    channels = trace_channels(network.graph)
    name = channels.groups[0].layers[0]
    expected = np.abs(network.weights[name][1]).sum(axis=(0, 1, 2))
    np.testing.assert_allclose(
        by_l1(network, channels)[channels.tensors[name]], expected, rtol=1e-6
    )


def test_batch_norm_ranks_by_its_scale() -> None:
    network = network_of("batch_norm")
    conv, norm = network.graph.layers[:2]
    gamma = np.array([0.5, -3, 0, 1], np.float32)
    network = changed(network, norm.name, gamma, *network.weights[norm.name][1:])
    scores = by_batch_norm(network, trace_channels(network.graph))
    np.testing.assert_allclose(ranked(scores, network, conv.name), np.abs(gamma))


def test_a_group_without_batch_norm_is_ranked_by_its_weights() -> None:
    network = network_of("batch_norm")
    channels = trace_channels(network.graph)
    up = next(layer.name for layer in network.graph.layers if layer.kind == "Conv2DTranspose")
    classes = channels.tensors[up]
    np.testing.assert_array_equal(
        by_batch_norm(network, channels)[classes], by_l1(network, channels)[classes]
    )


def test_a_network_without_batch_norm_is_refused() -> None:
    network = network_of("plain")
    with pytest.raises(UsageError, match="use 'l1' or 'taylor'"):
        by_batch_norm(network, trace_channels(network.graph))


def test_taylor_without_slices_is_refused() -> None:
    network = network_of("plain")
    with pytest.raises(UsageError, match="calibration"):
        by_taylor(network, trace_channels(network.graph), [])


def test_a_channel_that_nothing_reads_matters_nothing_to_taylor() -> None:
    network = network_of("plain")
    first, second = (layer.name for layer in network.graph.layers[:2])
    kernel, bias = network.weights[second]
    deaf = kernel.copy()
    deaf[:, :, 1] = 0
    network = changed(network, second, deaf, bias)
    scores = ranked(by_taylor(network, trace_channels(network.graph), IMAGES), network, first)
    assert scores[1] == 0
    assert (np.delete(scores, 1) > 0).all()
    # By its own weights it is no smaller than others.
    assert ranked(by_l1(network, trace_channels(network.graph)), network, first)[1] > 0


def test_of_many_slices_taylor_looks_at_some() -> None:
    network = read_network(zoo.FAMILIES["plain"](keras, size=8))
    channels = trace_channels(network.graph)
    many = list(zoo.random_images(130, 8)[:, np.newaxis])
    assert np.array_equal(
        by_taylor(network, channels, many), by_taylor(network, channels, evenly_spaced(many, 64))
    )


@pytest.mark.parametrize("end", ["sigmoid", "softmax"])
def test_taylor_foretells_the_change_of_the_loss(end: str) -> None:
    """A channel is scaled down a little, and the loss moves as the score says."""
    image = keras.Input((16, 16, 1), name="image")
    x = layers.Conv2D(4, 3, padding="same", activation="tanh", name="first")(image)
    x = layers.Conv2D(3, 1, activation=end, name="head")(x)
    network = read_network(zoo._seeded(keras.Model(image, x)))
    picture = zoo.random_images(size=16)
    decided = np.asarray(build(network, "decided")([picture]))

    def loss(network: Network) -> float:
        output = np.asarray(build(network, "loss")([picture])).astype(np.float64)
        if end == "softmax":
            truth = decided.argmax(axis=-1)[..., np.newaxis]
            return float(-np.log(np.take_along_axis(output, truth, axis=-1)).mean())
        return float(-np.log(np.where(decided > 0.5, output, 1 - output)).mean())

    scores = by_taylor(network, trace_channels(network.graph), [picture])
    kernel, bias = network.weights["head"]
    for channel, score in enumerate(ranked(scores, network, "first")):
        step = 1e-2
        ends = []
        for sign in (-1, 1):
            scaled = kernel.copy()
            scaled[:, :, channel] *= 1 + sign * step
            ends.append(loss(changed(network, "head", scaled, bias)))
        assert abs(ends[1] - ends[0]) / (2 * step) == pytest.approx(score, rel=1e-2)


def test_without_groups_there_is_nothing_to_rank() -> None:
    image = keras.Input((8, 8, 1), name="image")
    head = layers.Conv2D(2, 1, activation="sigmoid")(image)
    network = read_network(keras.Model(image, head))
    channels = trace_channels(network.graph)
    assert channels.groups == ()
    assert not by_taylor(network, channels, list(zoo.random_images(1, 8)[np.newaxis])).any()
