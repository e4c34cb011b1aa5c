"""A network becomes a tf_keras model and comes back: the same weights, the same answers."""

import os
from functools import cache
from typing import Any

import numpy as np
import pytest
import zoo

from edgeseg_converters.compress.finetune.awareness import quantization_aware
from edgeseg_converters.compress.finetune.keras_2 import to_keras_2, weights_of
from edgeseg_converters.compress.finetune.sparsity import with_growing_zeros
from edgeseg_converters.compress.prune.kernels import is_kernel
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras, import_model_optimization, import_tf_keras
from edgeseg_converters.keras.rebuild import build
from edgeseg_converters.network import Network, Weights

pytestmark = pytest.mark.tensorflow

keras = import_keras()
IMAGES = zoo.random_images(2)


@cache
def network_of(family: str) -> Network:
    return read_network(zoo.FAMILIES[family](keras))


@cache
def answers_of(family: str) -> Any:
    return answers(network_of(family))


def answers(network: Network) -> Any:
    """Run the network in Keras 3, where it has a batch size of one."""
    model = build(network, "keras_3")
    return np.concatenate([np.asarray(model([image[None]], training=False)) for image in IMAGES])


def assert_same(one: Weights, other: Weights) -> None:
    assert one.keys() == other.keys()
    for name, arrays in one.items():
        for a, b in zip(arrays, other[name], strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype == np.float32


@pytest.mark.parametrize("family", sorted(zoo.FAMILIES))
def test_every_family_goes_over_and_comes_back(family: str) -> None:
    network = network_of(family)
    model = to_keras_2(network, network.graph.name)
    assert type(model).__module__.startswith("tf_keras.")
    expected = answers_of(family)
    np.testing.assert_allclose(np.asarray(model(IMAGES, training=False)), expected, atol=1e-5)
    back = weights_of(model, network.graph)
    assert_same(network.weights, back)
    np.testing.assert_allclose(answers(Network(network.graph, back)), expected, atol=1e-5)


@pytest.mark.parametrize("family", sorted(zoo.FAMILIES))
def test_every_family_goes_through_wrappers_that_prune(family: str) -> None:
    network = network_of(family)
    plain = to_keras_2(network, "plain")
    shares = {
        layer.name: 0.5 for layer in network.graph.layers if any(map(is_kernel, layer.weights))
    }
    wrapped = with_growing_zeros(plain, shares, 3)
    assert sum("prune_low_magnitude" in layer.name for layer in wrapped.layers) == len(shares)
    assert_same(network.weights, weights_of(wrapped, network.graph))
    stripped = import_model_optimization().sparsity.keras.strip_pruning(wrapped)
    assert_same(network.weights, weights_of(stripped, network.graph))
    expected = answers_of(family)
    np.testing.assert_allclose(np.asarray(stripped(IMAGES, training=False)), expected, atol=1e-5)


@pytest.mark.parametrize("family", sorted(zoo.FAMILIES))
def test_every_family_goes_through_quantization_aware_wrappers(family: str) -> None:
    network = network_of(family)
    aware = quantization_aware(to_keras_2(network, "plain"), network.graph)
    assert sum(layer.name.startswith("quant_") for layer in aware.layers) >= 10
    assert_same(network.weights, weights_of(aware, network.graph))


def test_kinds_that_no_family_has() -> None:
    layers = keras.layers
    x = inputs = keras.Input((8, 8, 4), name="image")
    x = layers.Rescaling(2.0, offset=-1.0)(x)
    x = layers.Conv2D(8, 3, padding="same", groups=2, activation="hard_silu")(x)
    x = layers.GroupNormalization(2)(layers.PReLU(shared_axes=(1, 2))(x))
    x = layers.LayerNormalization()(layers.ELU(0.5)(x))
    x = layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="hard_sigmoid")(x)
    x = layers.ZeroPadding2D(1)(layers.Cropping2D(2)(layers.Activation("mish")(x)))
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", activation="leaky_relu")(x)
    x = layers.AveragePooling2D(3, strides=1, padding="same")(x)
    x = layers.Resizing(8, 8, interpolation="nearest")(layers.Permute((2, 1, 3))(x))
    gate = layers.GlobalAveragePooling2D()(x)
    gate = layers.Dense(4, activation="gelu")(layers.Flatten()(layers.Reshape((1, 1, 4))(gate)))
    x = layers.Multiply()([x, layers.Reshape((1, 1, 4))(gate)])
    network = read_network(keras.Model(inputs, layers.Softmax()(x), name="kinds"))
    generator = np.random.default_rng(3)
    weights = {
        name: tuple(generator.uniform(0.1, 1, array.shape).astype(np.float32) for array in arrays)
        for name, arrays in network.weights.items()
    }
    network = Network(network.graph, weights)
    images = zoo.random_images(1, size=8, channels=4)
    expected = np.asarray(build(network, "keras_3")([images], training=False))
    model = to_keras_2(network, "keras_2")
    np.testing.assert_allclose(np.asarray(model(images, training=False)), expected, atol=1e-5)
    assert_same(network.weights, weights_of(model, network.graph))
    assert_same(
        network.weights, weights_of(quantization_aware(model, network.graph), network.graph)
    )


def test_names_that_tensorflow_forbids_survive() -> None:
    network = network_of("nested")
    assert any("/" in name for name in network.weights)
    model = to_keras_2(network, "a name/with: all")
    assert isinstance(model, import_tf_keras().Model)
    assert_same(network.weights, weights_of(model, network.graph))


def test_the_library_does_not_switch_the_process_to_keras_2() -> None:
    assert import_model_optimization().sparsity
    assert "TF_USE_LEGACY_KERAS" not in os.environ
