"""Which weights magnitude pruning zeroes, and which it leaves alone."""

from functools import cache

import numpy as np
import pytest
import zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from edgeseg_converters.compress.fitting.im2col import Kernel
from edgeseg_converters.compress.prune.kernels import is_kernel, sparsity, sparsity_by_layer
from edgeseg_converters.compress.prune.magnitude import (
    keep_largest,
    zero_weights,
)
from edgeseg_converters.compress.prune.threshold import prune_below_threshold
from edgeseg_converters.compress.recipe import Zeros
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network

pytestmark = pytest.mark.tensorflow

SHARES = st.floats(0, 0.99)
KERNELS = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=4, max_side=9),
    elements=st.floats(-9, 9, width=32),
)


@cache
def network(family: str = "separable") -> Network:
    return read_network(zoo.FAMILIES[family](import_keras()))


def kernels(made: Network) -> list[Kernel]:
    return [
        array
        for layer in made.graph.layers
        for spec, array in zip(layer.weights, made.weights.get(layer.name, ()), strict=True)
        if is_kernel(spec)
    ]


def others(made: Network) -> list[Kernel]:
    return [
        array
        for layer in made.graph.layers
        for spec, array in zip(layer.weights, made.weights.get(layer.name, ()), strict=True)
        if not is_kernel(spec)
    ]


def zeros(kernel: Kernel) -> int:
    return kernel.size - int(np.count_nonzero(kernel))


def test_a_threshold_is_algorithm_2() -> None:
    made, expected = zero_weights(network(), Zeros(0.7)), prune_below_threshold(network(), 0.7)
    for one, other in zip(kernels(made), kernels(expected), strict=True):
        np.testing.assert_array_equal(one, other)


@given(SHARES)
@settings(max_examples=20)
def test_a_layers_share_is_taken_from_every_kernel(share: float) -> None:
    for old, new in zip(
        kernels(network()), kernels(zero_weights(network(), Zeros(share, "layer"))), strict=True
    ):
        assert zeros(new) == int(share * old.size)
        gone = np.abs(old[new == 0])
        assert gone.max(initial=0) <= np.abs(new[new != 0]).min()
        np.testing.assert_array_equal(new[new != 0], old[new != 0])
        assert new.dtype == np.float32


@given(SHARES)
@settings(max_examples=20)
def test_a_global_share_has_one_threshold(share: float) -> None:
    before = kernels(network())
    after = kernels(zero_weights(network(), Zeros(share, "global")))
    total = sum(kernel.size for kernel in before)
    assert sum(map(zeros, after)) == int(share * total)
    gone = [np.abs(old[new == 0]).max(initial=0) for old, new in zip(before, after, strict=True)]
    stay = [np.abs(new[new != 0]).min(initial=np.inf) for new in after]
    assert max(gone) <= min(stay)


def test_a_global_share_differs_from_layer_to_layer() -> None:
    shares = sparsity_by_layer(zero_weights(network("plain"), Zeros(0.5, "global"))).values()
    assert max(shares) - min(shares) > 0.2
    layered = sparsity_by_layer(zero_weights(network("plain"), Zeros(0.5, "layer"))).values()
    assert list(layered) == pytest.approx([0.5] * len(layered), abs=0.03)


@pytest.mark.parametrize(
    "request_", [Zeros(0.5, "layer"), Zeros(0.5, "global"), Zeros(pattern="2:4")]
)
def test_biases_statistics_and_the_graph_stay(request_: Zeros) -> None:
    made = zero_weights(network(), request_)
    assert made.graph is network().graph
    assert others(made)
    for one, other in zip(others(made), others(network()), strict=True):
        assert one is other


@given(KERNELS, st.integers(1, 7), st.integers(1, 8), st.booleans())
def test_a_pattern_keeps_the_largest_of_each_group(
    kernel: Kernel, kept: int, more: int, last: bool
) -> None:
    group, axis = kept + more, -1 if last else -2
    made = np.moveaxis(keep_largest(kernel, kept, group, axis), axis, -1)
    lanes = np.moveaxis(kernel, axis, -1)
    for start in range(0, lanes.shape[-1], group):
        old, new = lanes[..., start : start + group], made[..., start : start + group]
        assert (np.count_nonzero(new, axis=-1) <= kept).all()
        ranked = -np.sort(-np.abs(old), axis=-1)[..., :kept]
        np.testing.assert_array_equal(-np.sort(-np.abs(new), axis=-1)[..., :kept], ranked)
        np.testing.assert_array_equal(new[new != 0], old[new != 0])


def test_groups_run_along_the_input_channels() -> None:
    made = zero_weights(network("plain"), Zeros(pattern="1:2"))
    axes = {"Conv2D": 2, "Conv2DTranspose": 3}
    for layer in made.graph.layers:
        if layer.kind in axes:
            kernel = np.moveaxis(made.weights[layer.name][0], axes[layer.kind], 0)
            if len(kernel) > 1:
                assert ((kernel[0::2] != 0) ^ (kernel[1::2] != 0)).all()
            else:
                assert kernel.all()


def test_sparsity_counts_every_kernel_of_a_layer() -> None:
    untouched = sparsity_by_layer(network())
    assert set(untouched.values()) == {0}
    made = zero_weights(network(), Zeros(pattern="1:4"))
    shares = sparsity_by_layer(made)
    assert shares.keys() == untouched.keys()
    sizes = {
        layer.name: sum(spec.elements for spec in layer.weights if is_kernel(spec))
        for layer in made.graph.layers
    }
    total = sum(shares[name] * sizes[name] for name in shares)
    assert total / sum(sizes.values()) == pytest.approx(sparsity(made.graph, made.weights))
