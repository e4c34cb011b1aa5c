"""What a network is made of and what each layer costs, as a struct and as a table."""

from pathlib import Path

import msgspec
from rich.table import Table

from edgeseg.network.graph import Graph
from edgeseg.output.terminal import figure_table
from edgeseg.text.units import format_bytes, format_count
from edgeseg_converters.keras.chosen_output import choose_output
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.model_file import load_model
from edgeseg_converters.keras.output_grid import output_field
from edgeseg_converters.keras.output_image import with_image_output
from edgeseg_converters.layers.cost import LayerCost, layer_cost, live_bytes, peak_live_bytes
from edgeseg_converters.notation import parse_input_shape

_FIGURES = (
    "shape",
    "params",
    "FLOPs",
    "profiler",
    "pointwise",
    "output",
    "live",
)


class CumulativeCost(msgspec.Struct, frozen=True):
    """Cost of everything from the input to a layer, the layer included."""

    parameters: int
    flops: int
    flops_profiler: int
    flops_pointwise: int
    activation_bytes: int


class InspectedLayer(msgspec.Struct, frozen=True):
    """One layer: its own cost, the bytes alive at a cut after it, and the cost up to it."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    flops: int
    flops_profiler: int
    flops_pointwise: int
    activation_bytes: int
    live_bytes: int
    cumulative: CumulativeCost


class Inspection(msgspec.Struct, frozen=True):
    """A network's totals and its layers in topological order."""

    model: str
    input_shape: tuple[int, ...]
    parameters: int
    flops: int
    flops_profiler: int
    flops_pointwise: int
    activation_bytes: int
    peak_live_bytes: int
    layers: tuple[InspectedLayer, ...]


def inspect_model(
    model: Path | str,
    input_shape: tuple[int, ...] | str | None = None,
    model_output: int | str | None = None,
) -> Inspection:
    """Read a Keras model and count parameters, FLOPs and bytes of every layer.

    Parameters
    ----------
    model
        A ``.keras`` or ``.h5`` file, or a SavedModel folder with a Keras graph.
    input_shape
        (H, W) or (H, W, C) to read the model at, or text such as ``"256,256"``; None for its own.

    model_output
        The number of one of several outputs, from 0, or its name; None where there is one.

    Raises
    ------
    ModelError
        If the model can't be read, or its output be placed on its input.
    UsageError
        If the text is no input shape, or there is no such output.
    """
    shape = parse_input_shape(input_shape) if isinstance(input_shape, str) else input_shape
    chosen = choose_output(load_model(Path(model)), model_output)
    graph = read_network(chosen, shape).graph
    output_field(with_image_output(graph))
    return inspect_graph(graph)


def inspect_graph(graph: Graph) -> Inspection:
    """Count parameters, FLOPs and bytes of every layer, and of all layers up to it.

    Parameters
    ----------
    graph
        A network with batch size one; every figure is for one image.
    """
    total = LayerCost()
    layers: list[InspectedLayer] = []
    for layer, alive in zip(graph.layers, live_bytes(graph), strict=True):
        cost = layer_cost(graph, layer)
        total += cost
        layers.append(
            InspectedLayer(
                name=layer.name,
                kind=layer.kind,
                output_shape=layer.output.shape,
                live_bytes=alive,
                cumulative=_figures(total),
                **msgspec.structs.asdict(_figures(cost)),
            )
        )
    return Inspection(
        model=graph.name,
        input_shape=graph.inputs[0].shape,
        peak_live_bytes=peak_live_bytes(graph),
        layers=tuple(layers),
        **msgspec.structs.asdict(_figures(total)),
    )


def inspection_table(inspection: Inspection) -> Table:
    """Lay the inspection out in 100 columns, one row a layer."""
    table = figure_table(
        ("layer", "kind"),
        _FIGURES,
        title=f"{inspection.model}: input {_extents(inspection.input_shape)}",
        caption=(
            f"{inspection.parameters:,} parameters, {inspection.flops:,} FLOPs "
            f"(profiler {inspection.flops_profiler:,}, pointwise {inspection.flops_pointwise:,}); "
            f"at most {format_bytes(inspection.peak_live_bytes)} alive at once"
        ),
    )
    for layer in inspection.layers:
        table.add_row(
            layer.name,
            layer.kind,
            _extents(layer.output_shape),
            format_count(layer.parameters),
            format_count(layer.flops),
            format_count(layer.flops_profiler),
            format_count(layer.flops_pointwise),
            format_bytes(layer.activation_bytes),
            format_bytes(layer.live_bytes),
        )
    return table


def _figures(cost: LayerCost) -> CumulativeCost:
    return CumulativeCost(
        parameters=cost.parameters,
        flops=cost.flops,
        flops_profiler=cost.flops_profiler,
        flops_pointwise=cost.flops_pointwise,
        activation_bytes=cost.activation_bytes,
    )


def _extents(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape[1:]))
