"""Networks whose rows are divided compute what the whole ones do."""

import itertools
from functools import cache
from typing import Any

import numpy as np
import pytest
import zoo
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.keras.rebuild import build
from edgeseg_converters.layers.rows import Rows
from edgeseg_converters.network import Network
from edgeseg_converters.partition.tiling.halo import Prices, divide
from edgeseg_converters.partition.tiling.tiles import _spans
from edgeseg_converters.rewrite import winograd
from edgeseg_converters.rewrite.tiles import Place, Tiled, tile_rows

pytestmark = pytest.mark.tensorflow

ALWAYS, NEVER = 0.0, float("inf")


@cache
def network_of(family: str) -> Network:
    return read_network(zoo.FAMILIES[family](import_keras()))


def run(network: Network, image: Any) -> Any:
    return np.asarray(build(network, "model")([image]))


def assert_same(network: Network, tiled: Tiled) -> None:
    shape = network.graph.inputs[0].shape
    image = np.random.default_rng(1).uniform(size=shape).astype(np.float32)
    np.testing.assert_allclose(run(tiled.network, image), run(network, image), rtol=0, atol=1e-5)


def divided(network: Network, ways: int, patience: float, span: int = 0) -> Tiled:
    spans = _spans(network.graph, ways)
    chosen = spans[span % len(spans)][1]
    return tile_rows(network, divide(network.graph, chosen, ways, Prices(), patience))


def single(*layers: Any, rows: int = 16, columns: int = 6) -> Network:
    keras = import_keras()
    x = image = keras.Input((rows, columns, 2), name="image")
    for layer in layers:
        x = layer(x)
    return read_network(zoo._seeded(keras.Model(image, x)))


@pytest.mark.parametrize("patience", [ALWAYS, NEVER])
@pytest.mark.parametrize("family", sorted(zoo.FAMILIES))
def test_every_family_computes_the_same_in_tiles(family: str, patience: float) -> None:
    network = network_of(family)
    ways = 2 + sorted(zoo.FAMILIES).index(family) % 3
    assert_same(network, divided(network, ways, patience))


@pytest.mark.parametrize("span", [0, 1, 2])
def test_what_is_coarser_than_the_span_runs_whole(span: int) -> None:
    network = network_of("attention")
    tiled = divided(network, 2, ALWAYS, span)
    assert_same(network, tiled)
    whole = set(network.graph.position) & set(tiled.network.graph.position)
    assert (len(whole) > 1) == (span > 0)


def test_every_layer_makes_one_tensor_and_stands_behind_what_it_reads() -> None:
    graph = divided(network_of("attention"), 3, ALWAYS).network.graph
    known = {tensor.name for tensor in graph.inputs}
    for layer in graph.layers:
        assert layer.name == layer.output.name
        assert known.issuperset(layer.inputs)
        assert layer.name not in known
        known.add(layer.name)
    assert all(graph.consumers[name] for name in known - set(graph.outputs))
    assert graph.outputs == network_of("attention").graph.outputs


def test_rows_passed_on_cost_no_convolution_and_rows_computed_no_message() -> None:
    kinds = import_keras().layers
    network = single(kinds.Conv2D(2, 3, padding="same"), kinds.Conv2D(2, 3, padding="same"))
    names = [layer.name for layer in network.graph.layers]
    passed = divided(network, 2, ALWAYS)
    tensors = passed.network.graph.tensors
    assert tensors[f"{names[0]}.rows0.7-8"].shape == (1, 1, 6, 2)
    assert passed.places[f"{names[1]}.rows1"] == Place(1, 1)
    computed = divided(network, 2, NEVER)
    assert computed.places[f"{names[1]}.rows1"] == Place(0, 1)
    # The second convolution reaches a row beyond the tile's eight.
    assert computed.network.graph.tensors[f"{names[0]}.rows0"].shape == (1, 9, 6, 2)
    for tiled in (passed, computed):
        assert_same(network, tiled)


def test_thin_tiles_get_rows_from_beyond_their_neighbours() -> None:
    kinds = import_keras().layers
    wide = [kinds.Conv2D(2, 7, padding="same") for _ in range(2)]
    network = single(*wide, rows=6)
    tiled = divided(network, 6, ALWAYS)
    joined = tiled.network.graph.layer(f"{wide[0].name}.rows1.joined")
    assert len(joined.inputs) == 5
    assert_same(network, tiled)


def test_tiles_of_three_levels_follow_one_another_without_overlap() -> None:
    network = network_of("plain")
    graph = network.graph
    (_, span), *_ = _spans(graph, 3)
    tiling = divide(graph, span, 3, Prices(), ALWAYS)
    for name, own in tiling.own.items():
        assert own[0].start == 0
        assert own[-1].stop == graph.tensors[name].shape[1]
        assert all(a.stop == b.start and a.count for a, b in itertools.pairwise(own))
    heights = {own[-1].stop: own for own in tiling.own.values()}
    # What a tile owns of the pooled rows is pooled from what it owns.
    assert [Rows(2 * r.start, 2 * r.stop) for r in heights[8]] == list(heights[16])


def test_an_attention_of_one_row_meets_all_rows_of_every_tile() -> None:
    keras = import_keras()
    kinds = keras.layers
    image = keras.Input((16, 8, 1), name="image")
    x = kinds.Conv2D(4, 3, padding="same")(image)
    weight = kinds.Dense(4, activation="sigmoid")(kinds.GlobalAveragePooling2D(keepdims=True)(x))
    x = kinds.Conv2D(3, 3, padding="same")(kinds.Multiply()([x, weight]))
    network = read_network(zoo._seeded(keras.Model(image, x)))
    tiled = divided(network, 2, NEVER)
    assert_same(network, tiled)
    assert len({place.stage for place in tiled.places.values()}) > 2


@st.composite
def u_nets(draw: st.DrawFn) -> dict[str, Any]:
    """What a random small U-Net is made of."""
    return {
        "rows": draw(st.integers(12, 24)),
        "levels": [
            {
                "kernel": draw(st.sampled_from([3, 1, 2, 4])),
                "dilation": draw(st.integers(1, 2)),
                "down": draw(st.sampled_from(["max", "average", "stride 2", "stride 3", "odd"])),
                "up": draw(st.sampled_from(["2x2", "3x3", "valid", "nearest", "bilinear"])),
                "skip": draw(st.sampled_from(["concat", "add", "multiply", "none"])),
                "block": draw(st.sampled_from(["conv", "separable", "padded", "normalized"])),
            }
            for _ in range(draw(st.integers(1, 2)))
        ],
    }


def u_net(made_of: dict[str, Any]) -> Network:
    keras = import_keras()
    kinds = keras.layers
    x = image = keras.Input((made_of["rows"], 16, 1), name="image")
    skips = []
    for level in made_of["levels"]:
        x = _block(kinds, x, level)
        skips.append(x)
        x = _down(kinds, x, level["down"])
    for level, skip in zip(reversed(made_of["levels"]), reversed(skips), strict=True):
        x = _block(kinds, _merge(kinds, skip, _up(kinds, x, level["up"]), level["skip"]), level)
    return read_network(zoo._seeded(keras.Model(image, kinds.Conv2D(1, 1)(x))))


def _block(kinds: Any, x: Any, level: dict[str, Any]) -> Any:
    kernel, dilation = level["kernel"], level["dilation"]
    same = {"padding": "same", "dilation_rate": dilation}
    if level["block"] == "padded":
        return kinds.Conv2D(2, 3, activation="relu")(kinds.ZeroPadding2D(((2, 1), (1, 1)))(x))
    if level["block"] == "separable":
        x = kinds.SeparableConv2D(2, kernel, **same)(x)
        return kinds.DepthwiseConv2D(3, padding="same")(x)
    x = kinds.Conv2D(2, kernel, activation="tanh", **same)(x)
    return kinds.ReLU()(kinds.BatchNormalization()(x)) if level["block"] == "normalized" else x


def _down(kinds: Any, x: Any, how: str) -> Any:
    if how == "max":
        return kinds.MaxPooling2D(2)(x)
    if how == "average":
        return kinds.AveragePooling2D(3, strides=2, padding="same")(x)
    if how == "odd":
        return kinds.MaxPooling2D(3, strides=2)(x)
    return kinds.Conv2D(2, 3, strides=int(how[-1]), padding="same")(x)


def _up(kinds: Any, x: Any, how: str) -> Any:
    if how in ("nearest", "bilinear"):
        return kinds.UpSampling2D(2, interpolation=how)(x)
    kernel = 2 if how == "2x2" else 3
    return kinds.Conv2DTranspose(2, kernel, 2, padding="valid" if how == "valid" else "same")(x)


def _merge(kinds: Any, skip: Any, x: Any, how: str) -> Any:
    """Cut both to the smaller, pixel by pixel, and merge them."""
    height, width = (min(skip.shape[axis], x.shape[axis]) for axis in (1, 2))
    both = [
        kinds.Cropping2D(((0, t.shape[1] - height), (t.shape[2] - width, 0)))(t) for t in (skip, x)
    ]
    merge = {"add": kinds.Add, "multiply": kinds.Multiply, "concat": kinds.Concatenate}
    return merge[how]()(both) if how in merge else both[1]


def _level(block: str) -> dict[str, Any]:
    plain = {"kernel": 1, "dilation": 1, "down": "max", "up": "2x2", "skip": "concat"}
    return {**plain, "block": block}


# Tiles so thin that the last one needs no row of its own.
@example({"rows": 12, "levels": [_level("conv"), _level("padded")]}, 4, ALWAYS, 0)
@settings(max_examples=25, deadline=None)
@given(
    made_of=u_nets(),
    ways=st.integers(2, 4),
    patience=st.sampled_from([ALWAYS, 1.0, NEVER]),
    span=st.integers(0, 5),
)
def test_random_u_nets_compute_the_same_in_tiles(
    made_of: dict[str, Any], ways: int, patience: float, span: int
) -> None:
    network = u_net(made_of)
    assert_same(network, divided(network, ways, patience, span))


@settings(max_examples=15, deadline=None)
@given(made_of=u_nets(), ways=st.integers(2, 4), patience=st.sampled_from([ALWAYS, 1.0, NEVER]))
def test_random_u_nets_compute_the_same_in_tiles_with_fewer_products(
    made_of: dict[str, Any], ways: int, patience: float
) -> None:
    network = u_net(made_of)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "MIN_CHANNELS", 1)
        fewer = winograd.to_winograd(network)
    assert_same(network, divided(fewer, ways, patience))


def test_a_tile_is_padded_where_the_image_is_and_makes_no_row_of_no_use() -> None:
    kinds = import_keras().layers
    conv = kinds.Conv2D(3, 3, padding="same")
    network = single(conv)
    tensors = divided(network, 2, NEVER).network.graph.tensors
    assert tensors[f"{conv.name}.rows0.padded"].shape == (1, 10, 8, 2)
    assert tensors[f"{conv.name}.rows0"].shape == (1, 8, 6, 3)
    assert_same(network, divided(network, 2, NEVER))
