"""A conversion rounds to as many slices as are shipped, not to the few of the other tests."""

import numpy as np
import pytest
import zoo

from edgeseg_converters.compress.compress import compress
from edgeseg_converters.compress.fitting import layerwise
from edgeseg_converters.compress.recipe import Recipe, Rounding
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network

pytestmark = pytest.mark.tensorflow

SHIPPED = 128


@pytest.fixture(autouse=True)
def few_slices() -> None:
    """Take the place of the fixture of all other tests: nothing is changed."""


def _rounded(network: Network) -> Network:
    images = list(zoo.random_images(4)[:, np.newaxis])
    return compress(network, Recipe(rounding=Rounding(2.0)), images).network


def test_kernels_are_rounded_by_all_the_slices_that_are_shipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert layerwise._SLICES == SHIPPED
    network = read_network(zoo.FAMILIES["plain"](import_keras()))
    rounded = _rounded(network)
    for name, arrays in rounded.weights.items():
        kernel = arrays[0]
        by_channel = np.moveaxis(kernel, -1, 0) if kernel.ndim > 1 else kernel[np.newaxis]
        if network.graph.layer(name).kind == "Conv2D":
            assert max(len(np.unique(channel)) for channel in by_channel) <= 15
    monkeypatch.setattr(layerwise, "_SLICES", 8)
    fewer = _rounded(network)
    assert any(
        not np.array_equal(array, other)
        for name in rounded.weights
        for array, other in zip(rounded.weights[name], fewer.weights[name], strict=True)
    )
