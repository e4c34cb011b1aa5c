"""Small weights become zero, by magnitude and by each kernel's own spread."""

import numpy as np
import pytest
import zoo
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.errors import UsageError
from edgeseg_converters.compress.prune.kernels import is_kernel, sparsity
from edgeseg_converters.compress.prune.threshold import prune_below_threshold
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras

pytestmark = pytest.mark.tensorflow

NETWORK = read_network(zoo.batch_norm(import_keras()))


@given(st.floats(0, 4))
def test_just_the_magnitudes_below_the_threshold_go(ratio: float) -> None:
    pruned = prune_below_threshold(NETWORK, ratio)
    assert pruned.graph is NETWORK.graph
    for layer in NETWORK.graph.layers:
        for spec, old, new in zip(
            layer.weights,
            NETWORK.weights.get(layer.name, ()),
            pruned.weights.get(layer.name, ()),
            strict=True,
        ):
            keep = np.abs(old) >= ratio * old.std() if is_kernel(spec) else np.full(old.shape, True)
            np.testing.assert_array_equal(new, np.where(keep, old, 0))
            assert new.dtype == np.float32


def test_large_negative_weights_stay() -> None:
    pruned = prune_below_threshold(NETWORK, 0.5)
    kernels = [arrays[0] for arrays in pruned.weights.values() if arrays[0].ndim == 4]
    assert all((kernel < 0).any() for kernel in kernels)


def test_sparsity_counts_zeros_of_kernels_alone() -> None:
    graph = NETWORK.graph
    assert sparsity(graph, NETWORK.weights) == 0
    assert sparsity(graph, prune_below_threshold(NETWORK, 1e6).weights) == 1
    # A normal distribution has 38.3 % of its mass within half a standard deviation.
    half = sparsity(graph, prune_below_threshold(NETWORK, 0.5).weights)
    assert half == pytest.approx(0.383, abs=0.03)


@pytest.mark.parametrize("ratio", [-0.1, float("nan"), float("inf")])
def test_senseless_ratio_is_refused(ratio: float) -> None:
    with pytest.raises(UsageError, match="prune_ratio"):
        prune_below_threshold(NETWORK, ratio)
