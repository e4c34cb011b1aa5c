"""Every kind of the table goes through every aspect; one that lacks an aspect is no kind."""

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any

import numpy as np
import pytest

from edgeseg.errors import ModelError
from edgeseg.inference.engine import open_engine
from edgeseg.network.graph import Layer
from edgeseg_converters.compress.finetune.keras_2 import to_keras_2, weights_of
from edgeseg_converters.compress.fitting.im2col import kernel_matrix
from edgeseg_converters.compress.prune.kernels import is_kernel
from edgeseg_converters.fusion import fused_groups, takes_in_sums
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.logits import complete_logits
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.keras.rebuild import build
from edgeseg_converters.layers.cost import graph_cost, layer_cost
from edgeseg_converters.layers.kind import ChannelFlow, Fusion, KernelLayout, LayerKind
from edgeseg_converters.layers.products import nothing
from edgeseg_converters.layers.registry import kind_of
from edgeseg_converters.layers.rows import RowMap
from edgeseg_converters.layers.table import LAYER_KINDS, TRAINING_ONLY
from edgeseg_converters.network import Network
from edgeseg_converters.rewrite.channel_classes import trace_channels
from edgeseg_converters.rewrite.row_maps import row_map
from edgeseg_converters.rewrite.shrink import shrink
from edgeseg_converters.rewrite.winograd import MIN_CHANNELS, to_winograd
from edgeseg_converters.tflite.export import compile_graph

pytestmark = pytest.mark.tensorflow

keras = import_keras()
layers = keras.layers


def tokens(layer: Any, times: int = 1) -> Callable[[Any], Any]:
    """Call a layer on the pixels of an image as one axis, as often as it reads them."""

    def call(x: Any) -> Any:
        pixels = layers.Reshape((64, 6))(x)
        return layer([pixels] * times if times > 1 else pixels)

    return call


SAMPLES: dict[str, Callable[[], Any]] = {
    "Activation": lambda: layers.Activation("tanh"),
    "Add": layers.Add,
    "AdditiveAttention": lambda: tokens(layers.AdditiveAttention(), 2),
    "Attention": lambda: tokens(layers.Attention(use_scale=True), 3),
    "Average": layers.Average,
    "AveragePooling2D": lambda: layers.AveragePooling2D(2),
    "BatchNormalization": layers.BatchNormalization,
    "Concatenate": layers.Concatenate,
    "Conv1D": lambda: tokens(layers.Conv1D(6, 3, padding="same")),
    "Conv2D": lambda: layers.Conv2D(6, 3, padding="same"),
    "Conv2DTranspose": lambda: layers.Conv2DTranspose(6, 2, strides=2),
    "Cropping2D": lambda: layers.Cropping2D(1),
    "Dense": lambda: layers.Dense(6),
    "DepthwiseConv2D": lambda: layers.DepthwiseConv2D(3),
    "DepthToSpace": lambda: lambda x: keras.ops.nn.depth_to_space(layers.Conv2D(4, 1)(x), 2),
    "Dot": lambda: tokens(layers.Dot(axes=(2, 2)), 2),
    "ELU": layers.ELU,
    "EinsumDense": lambda: layers.EinsumDense("bhwc,cd->bhwd", (None, None, 6), bias_axes="d"),
    "Flatten": layers.Flatten,
    "GlobalAveragePooling2D": layers.GlobalAveragePooling2D,
    "GlobalMaxPooling2D": layers.GlobalMaxPooling2D,
    "GroupNormalization": lambda: layers.GroupNormalization(2),
    "LayerNormalization": layers.LayerNormalization,
    "LeakyReLU": layers.LeakyReLU,
    "MaxPooling2D": layers.MaxPooling2D,
    "Maximum": layers.Maximum,
    "Minimum": layers.Minimum,
    "MultiHeadAttention": lambda: lambda x: layers.MultiHeadAttention(2, 3)(x, x),
    "Multiply": layers.Multiply,
    "Operator": lambda: lambda x: keras.ops.matmul(x, keras.ops.swapaxes(x, 2, 3)),
    "PReLU": lambda: layers.PReLU(shared_axes=[1, 2]),
    "Permute": lambda: layers.Permute((2, 1, 3)),
    "RMSNormalization": layers.RMSNormalization,
    "ReLU": layers.ReLU,
    "Rescaling": lambda: layers.Rescaling(0.5),
    "Reshape": lambda: layers.Reshape((4, 16, 6)),
    "Resizing": lambda: layers.Resizing(5, 7),
    "SeparableConv2D": lambda: layers.SeparableConv2D(6, 3),
    "Softmax": layers.Softmax,
    "Subtract": layers.Subtract,
    "UnitNormalization": layers.UnitNormalization,
    "UpSampling2D": layers.UpSampling2D,
    "ZeroPadding2D": layers.ZeroPadding2D,
}
"""A layer of each kind that models may have; it reads images of 8 x 8 pixels and 6 channels."""
REWRITES: dict[str, Callable[[], Network]] = {
    "WinogradConv2D": lambda: to_winograd(wide()),
}
"""A network with each kind that only rewrites make."""
NAMES = sorted(SAMPLES.keys() | REWRITES.keys())


def seeded(model: Any) -> Any:
    random = np.random.default_rng(2)
    model.set_weights([random.uniform(0.2, 1, w.shape) for w in model.get_weights()])
    return model


def sample(name: str) -> Network:
    """The layer behind a convolution, of which a merge reads two."""
    image = keras.Input((8, 8, 2), name="image")
    x = layers.Conv2D(6, 1, name="first")(image)
    y = layers.Conv2D(6, 1, name="second")(image)
    layer = SAMPLES[name]()
    merged = kind_of(name).channels in {ChannelFlow.MERGED, ChannelFlow.JOINED}
    return read_network(seeded(keras.Model(image, layer([x, y] if merged else x))))


def wide() -> Network:
    image = keras.Input((8, 8, MIN_CHANNELS), name="image")
    conv = layers.Conv2D(MIN_CHANNELS, 3, padding="same")
    return read_network(seeded(keras.Model(image, conv(image))))


def network_with(name: str) -> Network:
    return REWRITES[name]() if name in REWRITES else sample(name)


def layer_in(network: Network, name: str) -> Layer:
    return next(layer for layer in network.graph.layers if layer.kind == name)


def run(network: Network) -> Any:
    shape = network.graph.inputs[0].shape
    image = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
    return np.asarray(build(network, "whole")([image], training=False))


def test_no_aspect_has_a_default() -> None:
    assert all(aspect.default is MISSING for aspect in fields(LayerKind))
    assert all(aspect.default_factory is MISSING for aspect in fields(LayerKind))
    with pytest.raises(TypeError, match="cost"):
        LayerKind(**{f.name: None for f in fields(LayerKind) if f.name != "cost"})  # type: ignore[arg-type]


def test_every_kind_has_a_sample_here_and_one_row() -> None:
    assert sorted(kind.name for kind in LAYER_KINDS) == NAMES
    assert not TRAINING_ONLY.intersection(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_those_of_the_table_and_rebuild_the_layer(name: str) -> None:
    network = network_with(name)
    assert tuple(layer_in(network, name).config) == kind_of(name).settings or name in REWRITES
    assert set(layer_in(network, name).config) == set(kind_of(name).settings)
    assert run(network).shape == network.graph.tensors[network.graph.outputs[0]].shape


@pytest.mark.parametrize("name", NAMES)
def test_rows_have_an_arithmetic_or_a_reason(name: str) -> None:
    network = network_with(name)
    layer = layer_in(network, name)
    rows = row_map(network.graph, layer)
    if isinstance(rows, RowMap):
        assert (rows.height, rows.made_height) == (
            network.graph.tensors[layer.inputs[0]].shape[1],
            layer.output.shape[1],
        )
    else:
        assert rows in {"has no rows", "needs all rows at once"}


@pytest.mark.parametrize("name", NAMES)
def test_channels_are_followed_or_protected(name: str) -> None:
    network = network_with(name)
    layer, kind = layer_in(network, name), kind_of(name)
    channels = trace_channels(network.graph)
    assert len(channels.tensors[layer.name]) == layer.output.shape[-1]
    entering = channels.tensors[layer.inputs[0]]
    same = np.array_equal(entering, channels.tensors[layer.name])
    if kind.channels in {ChannelFlow.KEPT, ChannelFlow.NORMALIZED, ChannelFlow.MERGED}:
        assert same
    if kind.channels in {ChannelFlow.MADE, ChannelFlow.MIXED}:
        assert not same


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_channel_can_go_where_it_is_not_protected(name: str) -> None:
    network = sample(name)
    channels = trace_channels(network.graph)
    keep = np.ones(channels.count, np.bool_)
    for group in channels.groups:
        keep[group.classes[0]] = False
    shrunk = shrink(network, channels, keep)
    assert run(shrunk).shape == shrunk.graph.tensors[shrunk.graph.outputs[0]].shape


@pytest.mark.parametrize("name", NAMES)
def test_kernels_are_what_the_layout_says(name: str) -> None:
    network, layout = network_with(name), kind_of(name).kernel
    layer = layer_in(network, name)
    kernels = [spec for spec in layer.weights if is_kernel(spec)]
    count = {KernelLayout.NONE: 0, KernelLayout.SEPARABLE: 2, KernelLayout.WINOGRAD: 4}
    assert len(kernels) == (4 if name == "MultiHeadAttention" else count.get(layout, 1))
    matrix = kernel_matrix(layer, network.weights)
    square = {KernelLayout.SLIDING, KernelLayout.TRANSPOSED, KernelLayout.MATRIX}
    assert (matrix is not None) == (layout in square | {KernelLayout.SEPARABLE})
    if matrix is not None:
        array = network.weights[layer.name][matrix.index]
        np.testing.assert_array_equal(matrix.kernel(matrix.matrix(array)), array)
    statistics = [spec.name for spec in layer.weights][-2:] == ["moving_mean", "moving_variance"]
    assert statistics == kind_of(name).batch_statistics


@pytest.mark.parametrize("name", NAMES)
def test_costs_add_up(name: str) -> None:
    network = network_with(name)
    cost = layer_cost(network.graph, layer_in(network, name))
    kind = kind_of(name)
    has_products = kind.kernel is not KernelLayout.NONE or kind.cost.products is not nothing
    assert (cost.macs > 0) == has_products
    assert cost.flops_profiler >= cost.flops == 2 * cost.macs
    assert graph_cost(network.graph).parameters == network.graph.parameters


@pytest.mark.parametrize("name", NAMES)
def test_groups_follow_the_part_in_a_fused_operation(name: str) -> None:
    network = network_with(name)
    layer = layer_in(network, name)
    (group,) = (names for names in fused_groups(network.graph) if layer.name in names)
    joins = kind_of(name).fusion in {Fusion.SCALING, Fusion.ACTIVATION} or takes_in_sums(layer)
    assert (len(group) > 1) == joins or name in REWRITES


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_the_end_of_a_model_is_known(name: str) -> None:
    graph, activation = sample(name).graph, kind_of(name).activation
    if name == "Softmax":
        assert complete_logits(graph) == (graph, None)
    elif name == "Activation" or isinstance(activation, str):
        with pytest.raises(ModelError, match=r"ends in (tanh|elu|leakyrelu|prelu|relu) "):
            complete_logits(graph)
    else:
        assert complete_logits(graph)[0].layers[-1].kind == "Activation"


@pytest.mark.parametrize("name", [name for name in SAMPLES if kind_of(name).keras_2 is not None])
def test_tf_keras_has_the_layer_under_the_names_given(name: str) -> None:
    network = sample(name)
    weights = weights_of(to_keras_2(network, "old"), network.graph)
    for layer, arrays in network.weights.items():
        for array, read in zip(arrays, weights[layer], strict=True):
            np.testing.assert_array_equal(array, read)


@pytest.mark.parametrize("name", NAMES)
def test_tflite_computes_what_keras_does(name: str) -> None:
    network = network_with(name)
    image = np.random.default_rng(0).uniform(size=network.graph.inputs[0].shape)
    content = compile_graph(network.graph, network.weights, plain=True).model
    (output,) = open_engine(content).run([image.astype(np.float32)])
    np.testing.assert_allclose(output, run(network), rtol=1e-4, atol=1e-4)
