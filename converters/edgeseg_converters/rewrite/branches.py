"""Divides two neighbouring convolutions over branches whose partial sums are added.

The first convolution is divided by the channels that it makes, the second by those that it reads:
between the two every branch keeps to its own channels, and the sum over the branches is the sum
over all channels. The first branch carries the bias of the second convolution, for a convolution
adds it at no cost; its activation, and whatever comes after it, follow the sum.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgeseg.network.graph import Graph, Layer
from edgeseg_converters.layers.kind import ChannelFlow
from edgeseg_converters.layers.registry import kind_of
from edgeseg_converters.network import Network
from edgeseg_converters.rewrite.channel_classes import Channels, Classes
from edgeseg_converters.rewrite.shrink import shrink

_OVER_CHANNELS = frozenset({"softmax", "log_softmax"})
_LAST = -1
_LANES = 8


@dataclass(frozen=True)
class ConvolutionPair:
    """Two convolutions and the layers between them: a chain that only its last tensor leaves."""

    layers: tuple[str, ...]

    @property
    def first(self) -> str:
        """The convolution that is divided by the channels it makes."""
        return self.layers[0]

    @property
    def second(self) -> str:
        """The convolution that is divided by the channels it reads."""
        return self.layers[-1]


@dataclass(frozen=True)
class DividedNetwork:
    """A network with a pair divided, and the layers of each branch."""

    network: Network
    branches: tuple[tuple[str, ...], ...]


def find_pairs(graph: Graph) -> tuple[tuple[ConvolutionPair, ...], Mapping[str, str]]:
    """Find the pairs of convolutions that can be divided; pairs may overlap.

    Returns
    -------
    tuple of ConvolutionPair
        In topological order of their first convolutions.
    mapping
        For each convolution that can't be the first of a pair, by name, the reason.
    """
    outcomes = {
        layer.name: _follow(graph, layer) for layer in graph.layers if kind_of(layer.kind).divisible
    }
    pairs = tuple(pair for pair in outcomes.values() if isinstance(pair, ConvolutionPair))
    return pairs, {name: why for name, why in outcomes.items() if isinstance(why, str)}


def share_channels(channels: int, ways: int) -> tuple[int, ...]:
    """Spread channels as evenly as possible, in multiples of 8 if there is one for every way.

    XNNPACK computes channels eight at a time; those beyond a multiple of 8 go to the last way.

    Parameters
    ----------
    channels
        At least as many as ``ways``.
    """
    unit = _LANES if channels >= _LANES * ways else 1
    each, more = divmod(channels // unit, ways)
    *others, last = (unit * (each + (way < more)) for way in range(ways))
    return (*others, last + channels % unit)


def divide_pair(network: Network, pair: ConvolutionPair, ways: int) -> DividedNetwork:
    """Return an equivalent network in which branches stand for the pair.

    The tensor of the second convolution keeps its name. The sums of floats are taken in another
    order, so that their last bits change.

    Parameters
    ----------
    pair
        One of those that :func:`find_pairs` finds.
    ways
        Number of branches, no more than the first convolution has channels.
    """
    graph = network.graph
    branches = [_branch(network, pair, ways, way) for way in range(ways)]
    merge = _merge(graph, pair.second, tuple(part.graph.outputs[0] for part in branches))
    layers: list[Layer] = []
    # All that the pair reads is there before the second convolution, and nobody reads it earlier.
    for layer in graph.layers:
        if layer.name == pair.second:
            layers += (layer for part in branches for layer in part.graph.layers)
            layers += merge
        elif layer.name not in pair.layers:
            layers.append(layer)
    weights = {name: arrays for name, arrays in network.weights.items() if name not in pair.layers}
    for part in branches:
        weights |= part.weights
    return DividedNetwork(
        Network(Graph(graph.name, graph.inputs, graph.outputs, tuple(layers)), weights),
        tuple(tuple(layer.name for layer in part.graph.layers) for part in branches),
    )


def _follow(graph: Graph, first: Layer) -> ConvolutionPair | str:
    """Go from a convolution to the next one, or say what is in the way."""
    chain = [first]
    while len(chain) == 1 or not kind_of(chain[-1].kind).divisible:
        why = _mixes(chain[-1]) or _shares(graph, chain[-1].name)
        if why is not None:
            return why
        (reader,) = graph.consumers[chain[-1].name]
        chain.append(graph.layer(reader))
    return _bound(chain[-1]) or ConvolutionPair(tuple(layer.name for layer in chain))


def _shares(graph: Graph, tensor: str) -> str | None:
    """Say who reads a tensor besides one layer, or with which others it is read, if any."""
    if tensor in graph.outputs:
        return f"{tensor} is the network's output"
    readers = [graph.layer(name) for name in graph.consumers[tensor]]
    if len(readers) > 1:
        return f"{tensor} is read by {' and '.join(layer.name for layer in readers)}"
    if len(readers[0].inputs) > 1:
        return f"{readers[0].name} ({readers[0].kind}) joins {tensor} with another tensor"
    return None


def _mixes(layer: Layer) -> str | None:
    """Say why the channels that a layer makes can't be told apart, if so."""
    kind, config = kind_of(layer.kind), layer.config
    alone = kind.divisible or kind.channels is ChannelFlow.KEPT
    if not alone or config.get("activation") in _OVER_CHANNELS or config.get("axis", -1) != _LAST:
        return f"{layer.name} ({layer.kind}) works on its channels together"
    return _bound(layer)


def _bound(layer: Layer) -> str | None:
    """Say why channels of a layer depend on each other with its settings, if they do."""
    reason = kind_of(layer.kind).binds_channels(layer)
    return None if reason is None else f"{layer.name} ({layer.kind}) {reason}"


def _branch(network: Network, pair: ConvolutionPair, ways: int, way: int) -> Network:
    """Cut the channels of one branch out of a pair, under names of their own."""
    graph = network.graph
    keep = np.isin(np.arange(ways + 1), (way, ways))
    channels = Channels(ways + 1, _owners(graph, pair, ways), (), {})
    part = shrink(Network(graph.subgraph("pair", pair.layers), network.weights), channels, keep)
    *others, second = part.graph.layers
    names = {name: _fresh(graph, f"{name}_branch_{way}") for name in pair.layers}
    layers = tuple(_renamed(layer, names) for layer in (*others, _linear(second, biased=way == 0)))
    # The bias is a convolution's last array.
    weights = {
        names[layer.name]: part.weights[layer.name][: len(renamed.weights)]
        for layer, renamed in zip(part.graph.layers, layers, strict=True)
        if layer.weights
    }
    return Network(Graph("branch", part.graph.inputs, (layers[-1].name,), layers), weights)


def _owners(graph: Graph, pair: ConvolutionPair, ways: int) -> dict[str, Classes]:
    """Give the number of the branch of each channel; ``ways`` stands for all branches."""
    first, *between, second = (graph.layer(name) for name in pair.layers)
    (entry,) = first.inputs
    owners = {
        tensor.name: np.full(tensor.shape[_LAST], ways, np.int64)
        for tensor in (graph.tensors[entry], second.output)
    }
    owners[first.name] = np.repeat(np.arange(ways), share_channels(first.output.shape[_LAST], ways))
    for layer in between:
        multiplier = layer.config.get("depth_multiplier", 1)
        owners[layer.name] = np.repeat(owners[layer.inputs[0]], multiplier)
    return owners


def _linear(layer: Layer, *, biased: bool) -> Layer:
    """Take the activation, and the bias unless it is wanted, from a convolution."""
    use_bias = biased and layer.config["use_bias"]
    specs = tuple(spec for spec in layer.weights if use_bias or spec.name != "bias")
    config = {**layer.config, "activation": "linear", "use_bias": use_bias}
    return replace(layer, config=config, weights=specs)


def _renamed(layer: Layer, names: Mapping[str, str]) -> Layer:
    name = names[layer.name]
    inputs = tuple(names.get(tensor, tensor) for tensor in layer.inputs)
    return replace(layer, name=name, inputs=inputs, output=replace(layer.output, name=name))


def _merge(graph: Graph, second: str, parts: tuple[str, ...]) -> Iterator[Layer]:
    """Add the partial sums, and apply the activation of the second convolution."""
    output, activation = graph.tensors[second], graph.layer(second).config["activation"]
    if activation == "linear":
        yield Layer(second, "Add", parts, output)
        return
    name = _fresh(graph, f"{second}_sum")
    yield Layer(name, "Add", parts, replace(output, name=name))
    yield Layer(second, "Activation", (name,), output, {"activation": activation})


def _fresh(graph: Graph, name: str) -> str:
    """Return the name, or a longer one where it is taken."""
    return _fresh(graph, f"{name}_") if name in graph.tensors else name
