"""The check finds identical pieces identical, and refuses those that are not."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import zoo

from edgeseg.bundle.manifest import Preprocessing
from edgeseg.errors import EdgesegError
from edgeseg_converters.compress.calibration import noise_images
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.output_meaning import decoding
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network
from edgeseg_converters.partition import PartitionRequest, strategies
from edgeseg_converters.tflite.check import compare, require_same
from edgeseg_converters.tflite.export import Compiled, compile_graph

pytestmark = pytest.mark.tensorflow

PREPROCESSING = Preprocessing((0.0, 255.0), (zoo.SIZE, zoo.SIZE))
IMAGES = noise_images(PREPROCESSING, 2)


@cache
def uncut_of(family: str) -> tuple[Network, Compiled]:
    network = read_network(zoo.FAMILIES[family](import_keras()))
    return network, compile_graph(network.graph, network.weights)


def pieces_of(network: Network, strategy: str) -> list[Compiled]:
    cut = strategies()[strategy].cut(network, PartitionRequest())
    return [compile_graph(piece, cut.network.weights) for piece in cut.pieces]


@pytest.mark.parametrize("strategy", ["adaptive", "block", "layer"])
@pytest.mark.parametrize("family", sorted(zoo.FAMILIES))
def test_pieces_of_every_family_give_the_uncut_bits(family: str, strategy: str) -> None:
    network, uncut = uncut_of(family)
    pieces = pieces_of(network, strategy)
    assert len(pieces) > 1
    how, _ = decoding(network.graph)
    check = compare(uncut, pieces, IMAGES, PREPROCESSING, how)
    assert check.identical
    assert (check.max_abs_difference, check.slices, check.mask_agreement) == (0, 2, 1)
    require_same(check)


def test_one_changed_weight_is_found() -> None:
    network, uncut = uncut_of("plain")
    name, arrays = next(iter(network.weights.items()))
    changed = network.weights | {name: (arrays[0] * np.float32(1.01), *arrays[1:])}
    pieces = pieces_of(replace(network, weights=changed), "block")
    how, _ = decoding(network.graph)
    check = compare(uncut, pieces, IMAGES, PREPROCESSING, how)
    assert not check.identical
    assert check.max_abs_difference > 0
    with pytest.raises(EdgesegError, match="no bundle is written"):
        require_same(check)


def test_noise_is_the_same_each_time_and_in_range() -> None:
    for one, other in zip(IMAGES, noise_images(PREPROCESSING, 2), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.shape == (1, zoo.SIZE, zoo.SIZE, 1)
        assert one.dtype == np.float32
        assert 0 <= one.min() < one.max() <= 1
    assert not np.array_equal(IMAGES[0], IMAGES[1])
