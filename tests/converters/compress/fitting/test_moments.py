"""Moments are right, also of inputs that hardly vary around a large mean."""

import numpy as np
import pytest

from edgeseg_converters.compress.fitting.im2col import kernel_matrix
from edgeseg_converters.compress.fitting.moments import Moments, moments
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras

pytestmark = pytest.mark.tensorflow

keras = import_keras()
SHAPE = (8, 8, 16)


def seen(images: list[np.ndarray]) -> tuple[Moments, np.ndarray]:
    """Moments of a 1x1 convolution that reads these images, and its matrix."""
    image = keras.Input(SHAPE)
    layer = keras.layers.Conv2D(3, 1, use_bias=False)
    network = read_network(keras.Model(image, layer(image)))
    (only,) = network.graph.layers
    kernel = kernel_matrix(only, network.weights)
    assert kernel is not None
    matrix = kernel.matrix(network.weights[only.name][0])
    return moments(kernel, images, kernel, matrix, images), matrix


def test_moments_are_means_over_all_sites() -> None:
    rng = np.random.default_rng(0)
    images = [rng.standard_normal((1, *SHAPE), np.float32) for _ in range(3)]
    made, matrix = seen(images)
    rows = np.concatenate(images).reshape(-1, SHAPE[-1]).astype(np.float64)
    np.testing.assert_allclose(made.second, rows.T @ rows / len(rows), atol=1e-9)
    np.testing.assert_allclose(made.inputs, rows.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(made.cross, rows.T @ (rows @ matrix) / len(rows), atol=1e-5)
    np.testing.assert_allclose(made.centred().second, np.cov(rows.T, bias=True), atol=1e-9)


@pytest.mark.parametrize("mean", [1.0, 1e3])
def test_what_hardly_varies_can_be_inverted(mean: float) -> None:
    rng = np.random.default_rng(1)
    images = [
        np.float32(mean) + np.float32(1e-3) * rng.standard_normal((1, *SHAPE), np.float32)
        for _ in range(70)
    ]
    made, matrix = seen(images)
    second = made.centred().second
    assert np.linalg.eigvalsh(second).min() > -1e-9 * mean
    np.linalg.cholesky(made.centred().regular())
    np.testing.assert_allclose(made.fitted(matrix), matrix, atol=1e-2)
