"""Costs: the published numbers to the last digit, and every kind that the counting knows."""

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import pytest

from edgeseg.network.graph import Graph, Layer, Tensor, WeightSpec
from edgeseg_converters.layers.cost import (
    LayerCost,
    graph_cost,
    layer_cost,
    live_bytes,
    peak_live_bytes,
)

# Where the paper cuts: after these layers of the model below, in topological order.
CUTS = (10, 12, 16, *range(17, 31))
PARAMETERS = [
    "4.68422e6",
    "9.40384e6",
    "2.56588e7",
    "2.80186e7",
    "2.85432e7",
    "2.85432e7",
    "2.97231e7",
    "3.03132e7",
    "3.04444e7",
    "3.04444e7",
    "3.07394e7",
    "3.0887e7",
    "3.09198e7",
    "3.09198e7",
    "3.09936e7",
    "3.10305e7",
    "3.10307e7",
]
POINTWISE = (
    2961178624,
    3229614080,
    5108662272,
    5645533184,
    5913968640,
    5913968640,
    6987710464,
    7524581376,
    7793016832,
    7793016832,
    8866758656,
    9403629568,
    9672065024,
    9672065024,
    10745806848,
    11282677760,
    11307843584,
)


class Sketch:
    """Writes a graph layer by layer, for a test that needs no Keras."""

    def __init__(self, *shape: int) -> None:
        self.image = Tensor("image", (1, *shape))
        self.layers: list[Layer] = []

    def add(self, kind: str, shape: tuple[int, ...], *inputs: Tensor, **details: Any) -> Tensor:
        kernels = details.pop("kernels", {})
        weights = tuple(WeightSpec(name, extents) for name, extents in kernels.items())
        output = Tensor(f"{kind}{len(self.layers)}", (1, *shape))
        names = tuple(tensor.name for tensor in inputs)
        self.layers.append(Layer(output.name, kind, names, output, details, weights))
        return output

    def conv(self, x: Tensor, width: int, size: int = 3) -> Tensor:
        kernels = {"kernel": (size, size, x.shape[-1], width), "bias": (width,)}
        return self.add("Conv2D", (*x.shape[1:3], width), x, kernels=kernels, use_bias=True)

    def up(self, x: Tensor, width: int) -> Tensor:
        shape = (2 * x.shape[1], 2 * x.shape[2], width)
        kernels = {"kernel": (2, 2, width, x.shape[-1]), "bias": (width,)}
        return self.add("Conv2DTranspose", shape, x, kernels=kernels, use_bias=True)

    def pool(self, x: Tensor) -> Tensor:
        shape = (x.shape[1] // 2, x.shape[2] // 2, x.shape[3])
        return self.add("MaxPooling2D", shape, x, pool_size=[2, 2])

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return self.add("Concatenate", (*a.shape[1:3], a.shape[3] + b.shape[3]), a, b)

    def graph(self) -> Graph:
        return Graph("sketch", (self.image,), (self.layers[-1].name,), tuple(self.layers))


def paper() -> Graph:
    sketch = Sketch(256, 256, 1)
    x = sketch.image
    skips = []
    for width in (64, 128, 256, 512):
        x = sketch.conv(sketch.conv(x, width), width)
        skips.append(x)
        x = sketch.pool(x)
    x = sketch.conv(sketch.conv(x, 1024), 1024)
    for skip in reversed(skips):
        width = skip.shape[-1]
        x = sketch.join(skip, sketch.up(x, width))
        x = sketch.conv(sketch.conv(x, width), width)
    sketch.conv(x, 3, size=1)
    return sketch.graph()


def cost_of(
    kind: str,
    read: tuple[int, ...],
    made: tuple[int, ...],
    kernels: Mapping[str, tuple[int, ...]] | None = None,
    **config: Any,
) -> LayerCost:
    sketch = Sketch(*read)
    sketch.add(kind, made, sketch.image, kernels=kernels or {}, **config)
    return graph_cost(sketch.graph())


def test_table_1_and_the_profiler_count() -> None:
    cost = graph_cost(paper())
    assert cost.parameters == 31_030_723
    assert cost.flops == 2 * cost.macs == 96_200_556_544
    assert cost.flops_profiler == 109_133_365_256
    assert cost.flops_pointwise == 11_307_843_584


def test_table_2_row_by_row() -> None:
    graph = paper()
    rows = list(accumulate(layer_cost(graph, layer) for layer in graph.layers))
    assert len(rows) == 31
    assert tuple(rows[cut].flops_pointwise for cut in CUTS) == POINTWISE
    assert [f"{rows[cut].parameters:.6g}" for cut in CUTS] == [
        f"{float(text):.6g}" for text in PARAMETERS
    ]


def test_stride_and_dilation_count_only_where_the_kernel_is_applied() -> None:
    cost = cost_of("Conv2D", (8, 8, 4), (4, 4, 16), {"kernel": (3, 3, 4, 16)}, strides=[2, 2])
    assert (cost.macs, cost.flops_pointwise) == (16 * 9 * 4 * 16, 2 * 16 * 4 * 16)


def test_groups_read_a_share_of_the_channels() -> None:
    cost = cost_of("Conv2D", (8, 8, 4), (8, 8, 16), {"kernel": (3, 3, 2, 16)}, groups=2)
    assert cost.macs == 64 * 9 * 2 * 16


def test_depthwise_convolution() -> None:
    kernels = {"kernel": (3, 3, 4, 2), "bias": (8,)}
    cost = cost_of("DepthwiseConv2D", (8, 8, 4), (8, 8, 8), kernels, use_bias=True)
    assert cost == LayerCost(80, 64 * 72, 2 * 64 * 72, 2 * 64 * 72 + 512, 2 * 64 * 8, 2048)


def test_separable_convolution_is_its_two_halves() -> None:
    kernels = {"depthwise_kernel": (3, 3, 4, 1), "pointwise_kernel": (1, 1, 4, 8)}
    cost = cost_of("SeparableConv2D", (16, 16, 4), (16, 16, 8), kernels, use_bias=False)
    assert cost.flops == cost.flops_profiler == 2 * 256 * (36 + 32)
    assert cost.flops_pointwise == 2 * 256 * (4 + 32)


def test_transposed_convolution_on_either_grid() -> None:
    kernels = {"kernel": (3, 3, 8, 4)}
    cost = cost_of("Conv2DTranspose", (4, 4, 4), (8, 8, 8), kernels, use_bias=False)
    assert cost.flops == 2 * 16 * 9 * 32
    assert cost.flops_profiler == 4 * cost.flops + 2
    assert cost.flops_pointwise == 2 * 16 * 32


def test_dense_counts_once_a_row() -> None:
    cost = cost_of("Dense", (16,), (8,), {"kernel": (16, 8), "bias": (8,)}, use_bias=True)
    assert (cost.flops, cost.flops_profiler, cost.flops_pointwise) == (256, 264, 256)
    assert cost_of("Dense", (4, 4, 16), (4, 4, 8), {"kernel": (16, 8)}).macs == 16 * 128


@pytest.mark.parametrize(
    ("kind", "read", "made", "config", "operations"),
    [
        ("MaxPooling2D", (8, 8, 2), (4, 4, 2), {"pool_size": [2, 2]}, 128),
        ("AveragePooling2D", (9, 9, 2), (3, 3, 2), {"pool_size": [3, 3]}, 162),
        ("GlobalAveragePooling2D", (8, 8, 2), (2,), {}, 128),
        ("UpSampling2D", (4, 4, 2), (8, 8, 2), {}, 2),
        ("Activation", (4, 4, 2), (4, 4, 2), {"activation": "sigmoid"}, 0),
        ("Activation", (4, 4, 2), (4, 4, 2), {"activation": "softmax"}, 160),
        ("Softmax", (4, 4, 2), (4, 4, 2), {"axis": -1}, 160),
        ("Cropping2D", (4, 4, 2), (2, 2, 2), {}, 0),
    ],
)
def test_layers_without_a_kernel_cost_only_in_the_profiler(
    kind: str,
    read: tuple[int, ...],
    made: tuple[int, ...],
    config: dict[str, Any],
    operations: int,
) -> None:
    cost = cost_of(kind, read, made, **config)
    assert cost.macs == cost.flops == cost.flops_pointwise == cost.parameters == 0
    assert cost.flops_profiler == operations
    assert cost.activation_bytes == Tensor("t", (1, *made)).nbytes


def test_a_merge_counts_one_operation_for_each_further_input() -> None:
    sketch = Sketch(4, 4, 2)
    sketch.add("Add", (4, 4, 2), sketch.image, sketch.image, sketch.image)
    assert graph_cost(sketch.graph()).flops_profiler == 64


def test_batch_norm_costs_its_parameters() -> None:
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    cost = cost_of("BatchNormalization", (4, 4, 2), (4, 4, 2), dict.fromkeys(names, (2,)))
    assert cost == LayerCost(parameters=8, activation_bytes=128)


def test_live_bytes_hold_the_skips() -> None:
    graph = paper()
    alive = live_bytes(graph)
    assert alive[10] == 4 * (256**2 * 64 + 128**2 * 128 + 64**2 * 256 + 32**2 * 512)
    assert alive[-1] == graph.tensors[graph.outputs[0]].nbytes


def test_peak_holds_what_a_layer_reads_and_makes() -> None:
    # The last concatenation: skip and up-sampled tensor in, both together out.
    assert peak_live_bytes(paper()) == 2 * 4 * 256**2 * 128
