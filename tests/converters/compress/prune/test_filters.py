"""Filters go, the network gets smaller, and what did not matter is not missed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from model import build as kidney_unet

from edgeseg.errors import UsageError
from edgeseg.network.graph import Layer
from edgeseg_converters.compress.prune.filters import FilterPruning, prune_filters
from edgeseg_converters.compress.recipe import Filters
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.keras.rebuild import build
from edgeseg_converters.layers.cost import graph_cost
from edgeseg_converters.network import Network
from edgeseg_converters.rewrite.channel_classes import trace_channels, weight_axes
from edgeseg_converters.tflite.chain import outputs_of
from edgeseg_converters.tflite.export import compile_graph

pytestmark = pytest.mark.tensorflow

keras = import_keras()
layers = keras.layers
IMAGES = list(zoo.random_images(2)[:, np.newaxis])


@cache
def network_of(family: str, base: int = 4) -> Network:
    return read_network(zoo.FAMILIES[family](keras, base=base))


def run(network: Network, image: Any) -> Any:
    return np.asarray(build(network, "run")([image], training=False))


def half_dead(network: Network) -> tuple[Network, dict[str, set[int]]]:
    """Silence every second class of each group: nothing makes it, nobody listens to it."""
    channels = trace_channels(network.graph)
    dead = np.zeros(channels.count, np.bool_)
    for group in channels.groups:
        dead[group.classes[1::2]] = True
    weights = {
        layer.name: tuple(
            silenced(array, weight_axes(layer, spec, channels.tensors), dead)
            for spec, array in zip(layer.weights, network.weights[layer.name], strict=True)
        )
        for layer in network.graph.layers
        if layer.weights
    }
    places = {
        name: set(np.flatnonzero(dead[classes]).tolist())
        for name, classes in channels.tensors.items()
    }
    return replace(network, weights=weights), places


def silenced(array: Any, axes: Mapping[int, Any], dead: Any) -> Any:
    quiet = array.copy()
    for axis, classes in axes.items():
        np.moveaxis(quiet, axis, 0)[dead[classes]] = 0
    return quiet


def check_built(pruning: FilterPruning) -> None:
    """Every shape and weight that the graph states is what Keras makes of it."""
    graph = pruning.network.graph
    model = build(pruning.network, "built")
    assert graph.parameters == model.count_params()
    made = {layer.name: tuple(layer.output.shape) for layer in model.layers}
    assert {tuple(model.outputs[0].shape)} == {graph.tensors[name].shape for name in graph.outputs}
    for layer in graph.layers:
        shapes = [array.shape for array in pruning.network.weights.get(layer.name, ())]
        assert shapes == [spec.shape for spec in layer.weights]
        assert made[layer.name.replace("/", ".")] == layer.output.shape


@pytest.mark.parametrize("importance", ["l1", "taylor"])
@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_dead_channels_of_every_family_are_found_and_not_missed(
    family: str, importance: Any
) -> None:
    network, dead = half_dead(network_of(family))
    pruning = prune_filters(network, Filters(0.5, "uniform", importance, 2), IMAGES)
    check_built(pruning)
    for group in pruning.narrowed:
        assert group.after == group.before / 2
    for layer in pruning.network.graph.layers:
        lost = network.graph.tensors[layer.name].shape[-1] - layer.output.shape[-1]
        assert lost == (0 if layer.output.shape[-1] == 1 else len(dead[layer.name]))
    for image in IMAGES:
        expected = run(network, image)
        assert expected.std() > 0
        np.testing.assert_allclose(run(pruning.network, image), expected, atol=1e-5)


def test_one_dead_filter_by_hand() -> None:
    """The skip is read twice: by the pooling and, behind other channels, by the decoder."""
    image = keras.Input((8, 8, 1), name="image")
    skip = layers.Conv2D(4, 3, padding="same", activation="relu", name="skip")(image)
    x = layers.Conv2D(4, 3, padding="same", name="deep")(layers.MaxPooling2D()(skip))
    x = layers.Conv2DTranspose(3, 2, strides=2, name="up")(x)
    x = layers.Concatenate(name="join")([x, skip])
    head = layers.Conv2D(2, 1, activation="sigmoid", name="head")(x)
    network = read_network(zoo._seeded(keras.Model(image, head)))
    kernel, bias = (array.copy() for array in network.weights["skip"])
    kernel[..., 2] = 0
    bias[2] = 0
    network = replace(network, weights={**network.weights, "skip": (kernel, bias)})
    pruning = prune_filters(network, Filters(0.0, multiple=1, layers={"skip": 0.25}), ())
    pruned = pruning.network.weights
    np.testing.assert_array_equal(pruned["skip"][0], np.delete(kernel, 2, axis=3))
    deep, head_kernel = network.weights["deep"][0], network.weights["head"][0]
    np.testing.assert_array_equal(pruned["deep"][0], np.delete(deep, 2, axis=2))
    np.testing.assert_array_equal(pruned["head"][0], np.delete(head_kernel, 3 + 2, axis=2))
    picture = zoo.random_images(size=8)
    np.testing.assert_allclose(run(pruning.network, picture), run(network, picture), atol=1e-6)
    assert [(group.layers, group.before, group.after) for group in pruning.narrowed] == [
        (("skip",), 4, 3)
    ]


@pytest.mark.parametrize("shape", [(-1,), (16, 48), (8, 8, 12)], ids=str)
def test_a_channel_becomes_many_rows_of_a_dense_kernel(shape: tuple[int, ...]) -> None:
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(12, 3, padding="same", name="conv")(image)
    x = layers.PReLU(name="slope")(x)
    x = layers.GroupNormalization(-1, name="norm")(x)
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=1, name="depth")(x)
    x = layers.Flatten()(layers.Reshape(shape)(x))
    x = layers.Dense(8, activation="relu", name="dense")(x)
    head = layers.Dense(1, activation="sigmoid", name="head")(x)
    network, dead = half_dead(read_network(zoo._seeded(keras.Model(image, head))))
    pruning = prune_filters(network, Filters(0.5, multiple=2), ())
    check_built(pruning)
    assert pruning.network.graph.layer("dense").weights[0].shape == (8 * 8 * 6, 4)
    assert dead["conv"] == {1, 3, 5, 7, 9, 11}
    picture = zoo.random_images(size=8)
    expected = run(network, picture)
    np.testing.assert_allclose(run(pruning.network, picture), expected, atol=1e-5)


def test_depth_multipliers_lose_all_copies_of_a_channel() -> None:
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(4, 3, name="conv")(image)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="depth")(x)
    x = layers.SeparableConv2D(4, 3, depth_multiplier=3, name="separable")(x)
    head = layers.Conv2D(1, 1, activation="sigmoid", name="head")(x)
    network, _ = half_dead(read_network(zoo._seeded(keras.Model(image, head))))
    pruning = prune_filters(network, Filters(0.5, multiple=1), ())
    check_built(pruning)
    assert pruning.network.graph.tensors["depth"].shape[-1] == 4
    picture = zoo.random_images(size=8)
    np.testing.assert_allclose(run(pruning.network, picture), run(network, picture), atol=1e-5)


def test_l1_keeps_the_strongest_filters_in_their_order() -> None:
    network = network_of("plain")
    first = network.graph.layers[0].name
    kernel = network.weights[first][0]
    pruned = prune_filters(network, Filters(0.5, multiple=1), ()).network.weights[first][0]
    strongest = np.sort(np.argsort(np.abs(kernel).sum(axis=(0, 1, 2)))[2:])
    np.testing.assert_array_equal(pruned, kernel[..., strongest])


@pytest.mark.parametrize("scope", ["uniform", "global"])
@pytest.mark.parametrize("family", ["plain", "attention", "u_net_plus_plus"])
def test_widths_are_multiples(family: str, scope: Any) -> None:
    pruning = prune_filters(network_of(family, base=16), Filters(0.4, scope), ())
    assert pruning.narrowed
    assert all(group.after % 8 == 0 < group.after < group.before for group in pruning.narrowed)
    check_built(pruning)


@pytest.mark.parametrize(
    ("ratio", "width"), [(0, 20), (0.1, 20), (0.3, 16), (0.4, 12), (0.5, 12), (0.99, 4)]
)
def test_widths_are_rounded_to_the_nearest(ratio: float, width: int) -> None:
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(20, 1, name="conv")(image)
    head = layers.Conv2D(1, 1, activation="sigmoid", name="head")(x)
    network = read_network(zoo._seeded(keras.Model(image, head)))
    pruning = prune_filters(network, Filters(ratio, multiple=4), ())
    assert pruning.network.graph.tensors["conv"].shape[-1] == width


def test_global_spares_the_layers_that_matter() -> None:
    """One layer has a few strong filters, all others are even: the weak ones go first."""
    network = network_of("plain")
    name = network.graph.layers[4].name
    kernel, bias = network.weights[name]
    uneven = kernel * np.where(np.arange(kernel.shape[-1]) < 2, np.float32(1e4), np.float32(1))
    network = replace(network, weights={**network.weights, name: (uneven, bias)})
    lost = {
        scope: [
            group.before - group.after
            for group in prune_filters(network, Filters(0.2, scope, multiple=1), ()).narrowed
            if name in group.layers
        ]
        for scope in ("uniform", "global")
    }
    assert lost == {"uniform": [2], "global": [6]}


def test_global_takes_the_share_of_all_channels() -> None:
    network = network_of("u_net_3_plus")
    pruning = prune_filters(network, Filters(0.3, "global", multiple=1), ())
    groups = trace_channels(network.graph).groups
    lost = sum(group.before - group.after for group in pruning.narrowed)
    assert lost == round(0.3 * sum(len(group.classes) for group in groups))


def test_global_keeps_one_multiple_of_a_layer_that_is_all_zero() -> None:
    network = network_of("plain")
    name = network.graph.layers[4].name
    zero = tuple(np.zeros_like(array) for array in network.weights[name])
    network = replace(network, weights={**network.weights, name: zero})
    pruning = prune_filters(network, Filters(0.5, "global", multiple=2), ())
    assert pruning.network.graph.tensors[name].shape[-1] == 2


@pytest.mark.parametrize("scope", ["uniform", "global"])
def test_a_layer_may_have_a_ratio_of_its_own(scope: Any) -> None:
    network = network_of("plain", base=8)
    whole, half = (layer.name for layer in network.graph.layers[3:5])
    own = {whole: 0.0, half: 0.75}
    pruning = prune_filters(network, Filters(0.5, scope, multiple=1, layers=own), ())
    tensors = pruning.network.graph.tensors
    assert (tensors[whole].shape[-1], tensors[half].shape[-1]) == (16, 4)
    reasons = {kept.layer: kept.reason for kept in pruning.kept}
    assert reasons[whole] == "none of its filters was to go"


def test_an_attention_map_stays_and_the_skip_narrows() -> None:
    pruning = prune_filters(network_of("attention", base=8), Filters(0.5, multiple=4), ())
    maps = [kept for kept in pruning.kept if "1 wide" in kept.reason]
    assert len(maps) == 2
    gates = [layer for layer in pruning.network.graph.layers if layer.kind == "Multiply"]
    assert [gate.output.shape[-1] for gate in gates] == [8, 4]


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_every_layer_with_filters_is_narrowed_or_says_why_not(family: str) -> None:
    network = network_of(family)
    pruning = prune_filters(network, Filters(0.5, "global", multiple=4), ())
    narrowed = {layer for group in pruning.narrowed for layer in group.layers}
    kept = {kept.layer: kept.reason for kept in pruning.kept}
    makers = {layer.name for layer in network.graph.layers if made_by_filters(layer)}
    assert narrowed | kept.keys() == makers
    assert not narrowed & kept.keys()
    assert kept["regions"] == "it makes the network's output"
    assert all(reason and "\n" not in reason for reason in kept.values())


def made_by_filters(layer: Layer) -> bool:
    return not {"filters", "units"}.isdisjoint(layer.config)


def test_rounding_is_a_reason() -> None:
    pruning = prune_filters(network_of("plain", base=8), Filters(0.2), ())
    reasons = [kept.reason for kept in pruning.kept]
    assert "it is 8 wide, and a multiple of 8 must stay" in reasons
    assert "rounded to a multiple of 8, all of its 16 filters stay" in reasons


def test_nothing_asked_changes_nothing() -> None:
    network = network_of("batch_norm")
    pruning = prune_filters(network, Filters(0.0, multiple=1), ())
    assert pruning.network.graph == network.graph
    assert pruning.narrowed == ()
    np.testing.assert_array_equal(run(pruning.network, IMAGES[0]), run(network, IMAGES[0]))


@settings(deadline=None, max_examples=15)
@given(
    family=st.sampled_from(sorted(zoo.FAMILIES)),
    ratio=st.floats(0, 1, exclude_max=True),
    scope=st.sampled_from(["uniform", "global"]),
    multiple=st.integers(1, 6),
)
def test_any_ratio_gives_a_network_that_builds(
    family: str, ratio: float, scope: Any, multiple: int
) -> None:
    network = network_of(family)
    pruning = prune_filters(network, Filters(ratio, scope, multiple=multiple), ())
    check_built(pruning)
    assert pruning.network.graph.parameters <= network.graph.parameters
    assert graph_cost(pruning.network.graph).flops <= graph_cost(network.graph).flops


@pytest.mark.parametrize("family", ["batch_norm", "attention", "separable"])
def test_the_smaller_network_compiles_to_the_same_output(family: str) -> None:
    network = prune_filters(network_of(family), Filters(0.5, multiple=2), ()).network
    compiled = compile_graph(network.graph, network.weights)
    for image, output in zip(IMAGES, outputs_of([compiled], IMAGES), strict=True):
        np.testing.assert_allclose(output, run(network, image), atol=1e-5)


@pytest.mark.parametrize("separable", [False, True])
def test_the_kidney_network_at_half_width_is_the_one_built_so(separable: bool) -> None:
    def made(base: int) -> Network:
        return read_network(kidney_unet(base, 2, batch_norm=True, separable=separable, size=32))

    pruned = prune_filters(made(16), Filters(0.5), ()).network.graph
    assert pruned.layers == made(8).graph.layers


def refused(network: Network, own: dict[str, float], ratio: float = 0.5) -> str:
    with pytest.raises(UsageError) as caught:
        prune_filters(network, Filters(ratio, multiple=1, layers=own), ())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_ratio_for_a_layer_that_can_not_have_one_is_refused() -> None:
    image = keras.Input((8, 8, 1), name="image")
    one = layers.Conv2D(4, 1, name="one")(image)
    other = layers.Conv2D(4, 1, name="other")(image)
    x = layers.ReLU(name="relu")(layers.Add()([one, other]))
    head = layers.Conv2D(1, 1, activation="sigmoid", name="head")(x)
    network = read_network(keras.Model(image, head))
    assert "did you mean 'other'?" in refused(network, {"othr": 0.5})
    assert "it makes the network's output" in refused(network, {"head": 0.5})
    assert "'relu' (ReLU) has no filters of its own" in refused(network, {"relu": 0.5})
    assert "give both the same" in refused(network, {"one": 0.5, "other": 0.25})
    assert "ratio 1.5 of filters" in refused(network, {"one": 1.5})
    assert "ratio nan of filters" in refused(network, {}, float("nan"))


def test_an_importance_that_can_not_be_measured_is_refused() -> None:
    none: Sequence[Any] = ()
    with pytest.raises(UsageError, match="batch_norm"):
        prune_filters(network_of("plain"), Filters(0.5, importance="batch_norm"), none)
    with pytest.raises(UsageError, match="calibration"):
        prune_filters(network_of("plain"), Filters(0.5, importance="taylor"), none)
