"""A piece in bands of rows computes what it does at once, bit by bit, with less alive."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import zoo
from chains import assert_chained
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgeseg.errors import BudgetError
from edgeseg.inference.banded import runner_of
from edgeseg.inference.engine import open_engine
from edgeseg.inference.measure import measure_piece
from edgeseg.network.graph import Graph
from edgeseg_converters.assemble import assemble
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.layers.cost import peak_live_bytes
from edgeseg_converters.network import Network
from edgeseg_converters.partition import PartitionRequest, cut_network, strategies
from edgeseg_converters.partition.banded import alive_bytes, computed_flops, slimmed
from edgeseg_converters.partition.estimate import Sketch
from edgeseg_converters.precision.quantize import converter_setups
from edgeseg_converters.rewrite.bands import MAX_OVERLAP, Banding, in_bands
from edgeseg_converters.rewrite.row_maps import rows_of
from edgeseg_converters.tflite.chain import outputs_of
from edgeseg_converters.tflite.export import Compiled, compile_graph

pytestmark = pytest.mark.tensorflow

keras = import_keras()
layers = keras.layers


@cache
def network_of(family: str) -> Network:
    return read_network(zoo.FAMILIES[family](keras))


def ran(compiled: Compiled, arrays: dict[str, Any]) -> dict[str, Any]:
    runner = runner_of(compiled, open_engine(compiled.model))
    made = runner.run([arrays[port.tensor] for port in compiled.inputs])
    return {port.tensor: array for port, array in zip(compiled.outputs, made, strict=True)}


def assert_same(graph: Graph, network: Network, banding: Banding) -> None:
    random = np.random.default_rng(0)
    arrays = {t.name: random.normal(size=t.shape).astype(np.float32) for t in graph.inputs}
    whole = ran(compile_graph(graph, network.weights, plain=True), arrays)
    compiled = compile_graph(graph, network.weights, banding=banding)
    assert compiled.runs == len(banding.starts) > 1
    for name, made in ran(compiled, arrays).items():
        np.testing.assert_array_equal(made, whole[name])


@pytest.mark.parametrize("family", sorted(zoo.FAMILIES))
def test_blocks_of_every_family_compute_the_same_bits_in_bands(family: str) -> None:
    network = network_of(family)
    pieces = strategies()["block"].cut(network, PartitionRequest()).pieces
    # The finest ones: those that take most, and are worth it.
    finest = sorted(pieces, key=peak_live_bytes)[-2:]
    found = [(piece, in_bands(piece, peak_live_bytes(piece) * 2 // 3)) for piece in finest]
    assert any(banding for _, banding in found)
    for piece, banding in found:
        if banding is not None:
            assert_same(piece, network, banding)


def layer_of(kind: str, size: int, dilation: int, name: str) -> Any:
    """Make a layer that reaches over rows in one way or another."""
    if kind == "conv":
        return layers.Conv2D(3, size, padding="same", dilation_rate=dilation, name=name)
    if kind == "strided":
        return layers.Conv2D(3, size, strides=2, padding="same", name=name)
    if kind == "depthwise":
        return layers.DepthwiseConv2D(size, padding="same", name=name)
    if kind == "up":
        return layers.Conv2DTranspose(3, max(size, 2), strides=2, padding="same", name=name)
    return (layers.MaxPooling2D if kind == "pool" else layers.UpSampling2D)(2, name=name)


KINDS = st.sampled_from(["conv", "strided", "pool", "depthwise", "up", "nearest"])
REACHES = st.sampled_from([(1, 1), (2, 1), (3, 1), (5, 1), (3, 2)])


@example([("strided", (1, 1)), ("pool", (1, 1)), ("pool", (1, 1))], 0.5)
@given(st.lists(st.tuples(KINDS, REACHES), min_size=1, max_size=3), st.floats(0.2, 0.9))
@settings(max_examples=12, deadline=None)
def test_any_chain_computes_the_same_bits_in_bands(
    drawn: list[tuple[str, tuple[int, int]]], share: float
) -> None:
    x = image = keras.Input((48, 8, 2), name="image")
    for number, (kind, reach) in enumerate(drawn):
        x = layer_of(kind, *reach, f"{kind}{number}")(x)
    network = read_network(zoo._seeded(keras.Model(image, x)))
    banding = in_bands(network.graph, int(share * peak_live_bytes(network.graph)))
    if banding is not None:
        assert_same(network.graph, network, banding)


@pytest.mark.parametrize("share", [0.8, 0.5, 0.3])
def test_there_are_as_few_bands_as_keep_to_the_limit(share: float) -> None:
    piece = strategies()["block"].cut(network_of("plain"), PartitionRequest()).pieces[-1]
    most = int(share * peak_live_bytes(piece))
    banding = in_bands(piece, most)
    assert banding is not None
    rows = min(rows_of(t.shape) or 0 for t in banding.graph.tensors.values())
    height = min(rows_of(t.shape) or 0 for t in piece.tensors.values())
    assert len(banding.starts) * rows <= (1 + MAX_OVERLAP) * height
    if peak_live_bytes(banding.graph) <= most and len(banding.starts) > 2:
        fewer = in_bands(piece, peak_live_bytes(banding.graph) + 1)
        assert fewer is not None
        assert len(fewer.starts) <= len(banding.starts)


def test_what_is_small_or_needs_all_rows_is_left_as_it_is() -> None:
    piece = strategies()["block"].cut(network_of("plain"), PartitionRequest()).pieces[0]
    assert in_bands(piece, peak_live_bytes(piece)) is None
    x = image = keras.Input((32, 32, 1), name="image")
    x = layers.GlobalAveragePooling2D(keepdims=True)(layers.Conv2D(4, 3, padding="same")(x))
    assert in_bands(read_network(keras.Model(image, x)).graph, 1) is None
    shifted = layers.ZeroPadding2D(1)(layers.Conv2D(4, 3, padding="same")(image))
    assert in_bands(read_network(keras.Model(image, shifted)).graph, 1) is None


def test_a_piece_of_many_resolutions_is_cut_where_that_computes_less() -> None:
    graph = network_of("plain").graph
    most = peak_live_bytes(graph) * 3 // 5
    parts = slimmed(graph, most)
    assert len(parts) > 1
    assert sum(map(computed_flops, parts)) < 1.2 * computed_flops((graph, None))
    assert max(map(alive_bytes, parts)) <= most
    assert slimmed(graph, peak_live_bytes(graph)) == ((graph, None),)


@pytest.mark.parametrize("family", ["plain", "batch_norm", "up_sampling"])
@pytest.mark.parametrize("strategy", ["adaptive", "block", "data"])
def test_a_network_cut_by_any_strategy_gives_the_same_masks(family: str, strategy: str) -> None:
    network = network_of(family)
    most = peak_live_bytes(network.graph) // 3
    cut = cut_network(network, strategy, PartitionRequest(max_activations=most))
    assert_chained(cut.network.graph, cut.pieces)
    # Tiles pad and crop their rows: no two bands of theirs are alike.
    assert bool(cut.bandings) == (strategy != "data")
    assert any("in bands" in note for note in cut.notes) == (strategy != "data")
    pieces = [
        compile_graph(piece, cut.network.weights, banding=cut.bandings.get(piece.name))
        for piece in cut.pieces
    ]
    images = list(zoo.random_images(2)[:, np.newaxis])
    uncut = compile_graph(network.graph, network.weights, plain=True)
    for one, other in zip(outputs_of([uncut], images), outputs_of(pieces, images), strict=True):
        np.testing.assert_allclose(one, other, atol=cut.tolerance, rtol=0)


def test_a_limit_that_cannot_be_kept_is_said() -> None:
    cut = cut_network(network_of("plain"), "block", PartitionRequest(max_activations=1))
    assert any("can't be divided further" in note for note in cut.notes)


def test_more_pieces_than_allowed_are_refused() -> None:
    request = PartitionRequest(max_partitions=1, max_activations=20000)
    with pytest.raises(BudgetError, match="max_partitions is 1"):
        cut_network(network_of("plain"), "adaptive", request)


def test_a_piece_in_bands_keeps_less_memory() -> None:
    image = keras.Input((256, 256, 16), name="image")
    network = read_network(keras.Model(image, layers.Conv2D(16, 3, padding="same")(image)))
    banding = in_bands(network.graph, peak_live_bytes(network.graph) // 3)
    whole, band = (
        measure_piece(compile_graph(network.graph, network.weights, banding=how).model)
        for how in (None, banding)
    )
    assert band.resident_memory_bytes < 0.6 * whole.resident_memory_bytes


def test_the_time_of_a_piece_is_that_of_all_its_bands() -> None:
    network = network_of("plain")
    (piece, *_) = strategies()["block"].cut(network, PartitionRequest()).pieces
    banding = in_bands(piece, peak_live_bytes(piece) // 3)
    compiled = compile_graph(piece, network.weights, banding=banding)
    (told,) = assemble([compiled], network.weights, lambda **_: None).measurements
    once = measure_piece(compiled.model)
    assert compiled.runs > 1
    assert told.steady_ms == pytest.approx(compiled.runs * once.steady_ms)
    assert told.first_ms == pytest.approx(once.first_ms + told.steady_ms - once.steady_ms)


def test_estimates_know_of_bands() -> None:
    graph = network_of("plain").graph
    plain, slim = Sketch(graph), Sketch(graph, max_activations=peak_live_bytes(graph) // 3)
    assert slim.weight_bytes == plain.weight_bytes
    assert slim.flops > plain.flops


def test_int8_is_calibrated_on_every_band() -> None:
    network = network_of("plain")
    (piece, *_) = strategies()["block"].cut(network, PartitionRequest()).pieces
    banding = in_bands(piece, peak_live_bytes(piece) // 2)
    images = [np.zeros((1, *piece.inputs[0].shape[1:]), np.float32) for _ in range(2)]
    images[0][:, -1] = 8.0  # in the last rows alone
    exact = compile_graph(piece, network.weights, banding=banding)
    (setup,) = converter_setups(["int8"], [exact], images)
    rough = compile_graph(piece, network.weights, setup, banding)
    (port,) = rough.inputs
    assert port.shape == piece.inputs[0].shape
    assert port.scale is not None
    assert port.zero_point is not None
    assert port.scale * (127 - port.zero_point) == pytest.approx(8.0, rel=0.02)
