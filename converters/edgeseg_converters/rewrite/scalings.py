"""Rewrites products with constants that TFLite would fold into several layers at once.

TFLite folds a product with a constant into every convolution that reads it, wherever these are.
A cut between them would keep the numbers right but not the bits, and no chain of layers holds a
product and all its readers. So each reader gets a product of its own.
"""

from collections.abc import Iterator
from dataclasses import replace

from edgeseg.network.graph import Graph, Layer, Tensor
from edgeseg_converters.fusion import ends_in_scaling, fused_groups, role_of, takes_a_shared_sum
from edgeseg_converters.keras.parts import Arrays
from edgeseg_converters.layers.kind import Fusion
from edgeseg_converters.network import Network, without_unread

_LOWEST = -3.0e38
_SIXTH = float("0.16666667")
_FOLDING = frozenset({Fusion.CONVOLUTION, Fusion.SCALING, Fusion.PADDING})


def separate_scalings(network: Network) -> Network:
    """Return an equivalent network that TFLite folds no product of into several layers.

    A hard sigmoid that several layers read ends in a minimum instead of a product; a scaling
    that several read is there once for each that it may be folded into; a product of
    matrices reads a tensor whose bias others read as well behind a bound; a quotient by a square
    root is a product, as TFLite has it.

    Parameters
    ----------
    network
        Graph and weights.
    """
    graph = network.graph
    heads = {group[0] for group in fused_groups(graph)}
    layers: list[Layer] = []
    weights = dict[str, Arrays]()
    instead: dict[tuple[str, str], str] = {}
    for layer in graph.layers:
        inputs = tuple(instead.get((layer.name, tensor), tensor) for tensor in layer.inputs)
        made = [*_of_one(graph, replace(layer, inputs=inputs))]
        for reader in _folding_readers(graph, layer, heads):
            copied = _copy(made[-1], f"{layer.name}.for.{reader}")
            instead[reader, layer.name] = copied.name
            made.append(copied)
        layers += made
        weights |= {each.name: network.weights[layer.name] for each in made if each.weights}
    return without_unread(Network(replace(graph, layers=tuple(layers)), weights))


def _of_one(graph: Graph, layer: Layer) -> Iterator[Layer]:
    """Yield what stands for one layer; the last bears its name."""
    if _is_shared(graph, layer) and layer.config.get("activation") == "hard_sigmoid":
        yield from _clipped(layer)
    elif takes_a_shared_sum(graph, layer):
        yield from _behind_a_bound(graph, layer)
    elif _is_quotient_by_root(graph, layer):
        yield from _by_root(graph, layer)
    else:
        yield layer


def _is_shared(graph: Graph, layer: Layer) -> bool:
    """Tell whether several read a tensor, one of which TFLite may fold a product into."""
    readers = graph.consumers[layer.name]
    several = len(readers) + (layer.name in graph.outputs) > 1
    return several and any(role_of(graph.layer(name)) in _FOLDING for name in readers)


def _folding_readers(graph: Graph, layer: Layer, heads: set[str]) -> Iterator[str]:
    """Yield the readers that get a scaling of their own.

    A scaling that TFLite folds into what makes its input stays the only one.
    """
    apart = layer.name in heads and role_of(layer) is Fusion.SCALING
    if apart and ends_in_scaling(layer) and _is_shared(graph, layer):
        for name in graph.consumers[layer.name]:
            if role_of(graph.layer(name)) in _FOLDING:
                yield name


def _copy(layer: Layer, name: str) -> Layer:
    return replace(layer, name=name, output=replace(layer.output, name=name))


def _clipped(layer: Layer) -> Iterator[Layer]:
    """Yield a hard sigmoid as ``min(relu(x / 6 + 0.5), 1)``, behind its layer if it has one."""
    source = layer.inputs
    if layer.kind != "Activation":
        name = f"{layer.name}.linear"
        config = {**layer.config, "activation": "linear"}
        yield replace(layer, name=name, config=config, output=replace(layer.output, name=name))
        source = (name,)
    scaled = _tensor(layer, "scaled")
    yield Layer(scaled.name, "Rescaling", source, scaled, {"scale": _SIXTH, "offset": 0.5})
    config = {"max_value": 1.0, "negative_slope": 0.0, "threshold": 0.0}
    yield Layer(layer.name, "ReLU", (scaled.name,), layer.output, config)


def _behind_a_bound(graph: Graph, layer: Layer) -> Iterator[Layer]:
    """Yield a layer behind a bound that no value is below of: no sum goes through it."""
    source = layer.inputs[0]
    name = f"{layer.name}.bounded"
    config = {
        "function": "maximum",
        "operands": [{"input": 0}, {"number": _LOWEST}],
        "options": {},
    }
    output = replace(graph.tensors[source], name=name)
    yield Layer(name, "Operator", (source,), output, config)
    inputs = tuple(name if tensor == source else tensor for tensor in layer.inputs)
    yield replace(layer, inputs=inputs)


def _is_quotient_by_root(graph: Graph, layer: Layer) -> bool:
    root = _divisor(layer)
    return root in graph.position and _applies(graph.layer(root), "sqrt")


def _divisor(layer: Layer) -> str:
    """Name the tensor that a quotient divides by; empty where it is a constant or no quotient."""
    if not _applies(layer, "divide"):
        return ""
    number = layer.config["operands"][1].get("input")
    return "" if number is None else layer.inputs[number]


def _applies(layer: Layer, function: str) -> bool:
    return layer.kind == "Operator" and layer.config["function"] == function


def _by_root(graph: Graph, layer: Layer) -> Iterator[Layer]:
    """Yield a quotient by a square root as a product with its reciprocal."""
    divisor = _divisor(layer)
    root = graph.layer(divisor)
    name = f"{layer.name}.reciprocal"
    config = {**root.config, "function": "rsqrt"}
    yield replace(root, name=name, config=config, output=replace(root.output, name=name))
    inputs = tuple(name if tensor == divisor else tensor for tensor in layer.inputs)
    config = {**layer.config, "function": "multiply"}
    yield replace(layer, inputs=inputs, config=config)


def _tensor(layer: Layer, suffix: str) -> Tensor:
    return replace(layer.output, name=f"{layer.name}.{suffix}")
