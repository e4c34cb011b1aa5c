"""Compiles a graph, whole or a piece, to TFLite bytes, with its ports in the order of the file."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from edgeseg.bundle.manifest import Bands, Port
from edgeseg.errors import ModelError
from edgeseg.inference.engine import open_engine
from edgeseg.inference.engine_protocol import PortDetail
from edgeseg.network.graph import Graph, Tensor
from edgeseg_converters.keras.quiet import import_tensorflow, quiet
from edgeseg_converters.keras.rebuild import build
from edgeseg_converters.layers.cost import graph_cost
from edgeseg_converters.network import Network, Weights
from edgeseg_converters.rewrite.bands import Banding
from edgeseg_converters.rewrite.litert_lowering import lower_for_litert

ConverterSetup: TypeAlias = Callable[[Any, Graph], None]
"""Sets up a TFLite converter for a graph, such as for quantizing."""

_MISSING = re.compile(r"'tf\.(\w+)' op")


@dataclass(frozen=True)
class Compiled:
    """A graph as a TFLite file, with its inputs and outputs and the FLOPs of a slice."""

    graph: Graph
    model: bytes
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    flops: int
    bands: Bands | None = None

    @property
    def runs(self) -> int:
        """How often its file runs a slice."""
        return 1 if self.bands is None else self.bands.count


def compile_graph(
    graph: Graph,
    weights: Weights,
    setup: ConverterSetup | None = None,
    banding: Banding | None = None,
    *,
    plain: bool = False,
) -> Compiled:
    """Turn a graph into TFLite bytes; same input, same bytes.

    Parameters
    ----------
    graph
        What the file computes, if need be in several runs.
    weights
        Those of its layers, and perhaps others.
    setup
        What to do besides converting.
    banding
        The band of rows that one run computes; all rows where it is None.
    plain
        Convert the layers as they are, without lowering them for LiteRT.

    Raises
    ------
    ModelError
        If TFLite has no operation for a layer, or LiteRT can't run the file.
    """
    network = Network(graph if banding is None else banding.graph, weights)
    try:
        content = _convert(network if plain else lower_for_litert(network), setup)
    except _ConversionError as error:
        raise ModelError(_explain(error, graph, weights)) from error
    engine = open_engine(content)
    inputs = _ports(engine.inputs, graph.inputs)
    outputs = _ports(engine.outputs, [graph.tensors[name] for name in graph.outputs])
    bands = None if banding is None else banding.bands(_names(inputs), _names(outputs))
    flops = graph_cost(graph).flops if banding is None else banding.flops
    return Compiled(graph, content, inputs, outputs, flops, bands)


def _names(ports: Sequence[Port]) -> list[str]:
    return [port.tensor for port in ports]


class _ConversionError(Exception):
    """TFLite's converter gave up."""


def _convert(network: Network, setup: ConverterSetup | None) -> bytes:
    tensorflow, graph = import_tensorflow(), network.graph
    model = build(network, graph.name)
    with quiet():
        converter = _converter(tensorflow, model)
        if setup is not None:
            setup(converter, graph)
        try:
            return bytes(converter.convert())
        except Exception as error:
            raise _ConversionError(str(error)) from error


def _converter(tensorflow: Any, model: Any) -> Any:
    """Make a converter for one call of the model, its variables frozen to constants.

    Inputs and outputs keep the order of the graph. The way through a SavedModel on disk, which is
    TensorFlow's own, sorts them by name and takes three times as long.
    """

    def call(*arrays: Any) -> list[Any]:
        return list(tensorflow.nest.flatten(model(list(arrays), training=False)))

    specs = [
        tensorflow.TensorSpec(tensor.shape, tensor.dtype, name=f"input_{index}")
        for index, tensor in enumerate(model.inputs)
    ]
    function = tensorflow.function(call, autograph=False).get_concrete_function(*specs)
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions([function], model)
    converter.experimental_lower_to_saved_model = False
    return converter


def _ports(details: Sequence[PortDetail], tensors: Sequence[Tensor]) -> tuple[Port, ...]:
    """Say what the tensors of the graph are in the file."""
    return tuple(
        Port(
            tensor.name,
            tensor.shape,
            cast(Literal["float32", "int8"], detail.dtype),
            detail.scale,
            detail.zero_point,
        )
        for detail, tensor in zip(details, tensors, strict=True)
    )


def _explain(error: _ConversionError, graph: Graph, weights: Weights) -> str:
    """Name the layer that TFLite can't convert, by converting each alone."""
    for layer in graph.layers:
        failure = _failure_alone(graph, layer.name, weights)
        if failure is not None:
            missing = _MISSING.search(failure)
            lack = f"{missing[1]}, which LiteRT lacks" if missing else "what LiteRT lacks"
            return f"layer {layer.name} ({layer.kind}) needs {lack}; replace the layer"
    reason = next(iter(str(error).strip().splitlines()), "no reason given")
    return f"{graph.name} can't be converted to TFLite: {reason}"


def _failure_alone(graph: Graph, layer: str, weights: Weights) -> str | None:
    try:
        _convert(Network(graph.subgraph(graph.name, [layer]), weights), None)
    except _ConversionError as error:
        return str(error)
    return None
