"""A kernel's matrix times what it reads is what Keras computes, for every kind and setting."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import zoo

from edgeseg_converters.compress.fitting.im2col import kernel_matrix
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network

pytestmark = pytest.mark.tensorflow

keras = import_keras()
layers = keras.layers
SHAPE = (9, 12, 3)


def network_of(layer: Any) -> tuple[Network, Any]:
    """Make a model of one layer with random weights, and run it on one image."""
    image = keras.Input(SHAPE)
    model = keras.Model(image, layer(image))
    rng = np.random.default_rng(1)
    model.set_weights([rng.standard_normal(one.shape) for one in model.get_weights()])
    read = rng.standard_normal((1, *SHAPE), np.float32)
    return read_network(model), (read, np.asarray(model(read)))


CONVOLUTIONS: Mapping[str, Any] = {
    "3x3": {},
    "valid": {"padding": "valid"},
    "strided": {"strides": 2},
    "strided, valid": {"strides": 3, "padding": "valid"},
    "dilated": {"dilation_rate": 2},
    "even": {"kernel_size": (2, 4)},
    "1x1": {"kernel_size": 1},
}


@pytest.mark.parametrize("settings", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
@pytest.mark.parametrize("kind", ["Conv2D", "SeparableConv2D"])
def test_convolutions(kind: str, settings: Mapping[str, Any]) -> None:
    usual = {"kernel_size": 3, "padding": "same", "use_bias": False} | settings
    if kind == "SeparableConv2D":
        usual |= {"depth_multiplier": 2}
    network, (read, made) = network_of(getattr(layers, kind)(5, **usual))
    (layer,) = network.graph.layers
    kernel = kernel_matrix(layer, network.weights)
    assert kernel is not None
    matrix = kernel.matrix(network.weights[layer.name][kernel.index])
    sites = np.arange(kernel.sites(read))
    product = kernel.rows(read, sites) @ matrix
    np.testing.assert_allclose(product.reshape(made.shape), made, atol=1e-4)
    some = np.array([3, 0])
    np.testing.assert_array_equal(kernel.rows(read, some) @ matrix, product[some])


def test_a_transposed_convolution_spreads_every_pixel() -> None:
    network, (read, made) = network_of(layers.Conv2DTranspose(5, 2, strides=2, use_bias=False))
    (layer,) = network.graph.layers
    kernel = kernel_matrix(layer, network.weights)
    assert kernel is not None
    assert kernel.places == 4
    matrix = kernel.matrix(network.weights[layer.name][kernel.index])
    product = kernel.rows(read, np.arange(kernel.sites(read))) @ matrix
    rows, cols, _ = SHAPE
    spread = product.reshape(rows, cols, 5, 2, 2).transpose(0, 3, 1, 4, 2)
    np.testing.assert_allclose(spread.reshape(made.shape), made, atol=1e-4)


def test_dense_layers_see_a_pixel() -> None:
    network, (read, made) = network_of(layers.Dense(5, use_bias=False))
    (layer,) = network.graph.layers
    kernel = kernel_matrix(layer, network.weights)
    assert kernel is not None
    product = kernel.rows(read, np.arange(9 * 12)) @ kernel.matrix(network.weights[layer.name][0])
    np.testing.assert_allclose(product.reshape(made.shape), made, atol=1e-4)


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_kernels_come_back_from_their_matrix(family: str) -> None:
    network = read_network(zoo.FAMILIES[family](keras))
    kernels = [kernel_matrix(layer, network.weights) for layer in network.graph.layers]
    assert any(kernels)
    for kernel in filter(None, kernels):
        array = network.weights[kernel.layer.name][kernel.index]
        np.testing.assert_array_equal(kernel.kernel(kernel.matrix(array)), array)
        assert kernel.elements == array.size


def test_what_is_no_matrix() -> None:
    for layer in (layers.DepthwiseConv2D(3), layers.Conv2D(6, 3, groups=3), layers.ReLU()):
        network, _ = network_of(layer)
        assert kernel_matrix(network.graph.layers[0], network.weights) is None
