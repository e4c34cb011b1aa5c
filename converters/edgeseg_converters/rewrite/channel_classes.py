"""Equivalence classes of channels: a class is removed from all tensors at once, or stays.

Every channel of every tensor gets a number. A layer that makes channels gives out new numbers,
every other layer hands on those it reads: a concatenation puts them side by side, a sum declares
them equal. Equal numbers form a class, and the classes that the same layers make form a group.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from edgeseg.network.graph import Graph, Layer, WeightSpec
from edgeseg_converters.layers.channel_flow import LAST_AXIS as _LAST
from edgeseg_converters.layers.kind import ChannelFlow, KernelLayout
from edgeseg_converters.layers.registry import kind_of

Classes: TypeAlias = NDArray[np.int64]
"""The class of each channel along an axis."""

_OVER_CHANNELS = frozenset({"softmax", "log_softmax"})


@dataclass(frozen=True)
class ClassGroup:
    """Classes made by the same layers; any of them may go without the others."""

    layers: tuple[str, ...]
    classes: Classes


@dataclass(frozen=True)
class Channels:
    """The channels of a graph.

    Attributes
    ----------
    count
        Number of classes; they are numbered from 0.
    tensors
        Class of every channel, that is, along the last axis of every tensor.
    groups
        What may be pruned. No class is in two groups.
    protected
        Why a layer that makes channels must keep them all, by layer.
    """

    count: int
    tensors: Mapping[str, Classes]
    groups: tuple[ClassGroup, ...]
    protected: Mapping[str, str]


def trace_channels(graph: Graph) -> Channels:
    """Follow the channels through a graph.

    A layer whose channels depend on each other in another way than one by one protects them.
    One protected channel protects all that its layers make, so that no width is half-free.

    Parameters
    ----------
    graph
        A whole network.
    """
    tracer = _Tracer()
    for tensor in graph.inputs:
        tracer.enter(tensor.name, tensor.shape[_LAST])
    for layer in graph.layers:
        tracer.follow(graph, layer)
    # First, for it is the reason that matters most where there are several.
    output = "it makes the network's output"
    tracer.guarded[:0] = [(tracer.numbers[tensor], output) for tensor in graph.outputs]
    class_of = _connect(tracer.count, tracer.ties)
    tensors = {name: class_of[numbers] for name, numbers in tracer.numbers.items()}
    own = {layer.name: tensors[layer.name] for layer in graph.layers if makes_channels(layer)}
    protected = _protect(own, [(class_of[numbers], why) for numbers, why in tracer.guarded])
    free = {name: classes for name, classes in own.items() if name not in protected}
    return Channels(int(class_of.max()) + 1, tensors, _groups(free), protected)


def makes_channels(layer: Layer) -> bool:
    """Tell whether filters of the layer make its channels."""
    return kind_of(layer.kind).channels is ChannelFlow.MADE


def weight_axes(
    layer: Layer, spec: WeightSpec, tensors: Mapping[str, Classes]
) -> dict[int, Classes]:
    """Return the classes of channels along each axis of a weight array that counts channels.

    Parameters
    ----------
    layer
        The layer that the array belongs to.
    spec
        The array's name and shape.
    tensors
        The classes of all tensors, as in :class:`Channels`.
    """
    entering, leaving = tensors[layer.inputs[0]], tensors[layer.name]
    axes: dict[int, Classes]
    match kind_of(layer.kind).kernel, spec.name:
        case KernelLayout.TRANSPOSED, "kernel":
            axes = {2: leaving, 3: entering}
        case (KernelLayout.DEPTHWISE, "kernel") | (KernelLayout.SEPARABLE, "depthwise_kernel"):
            axes = {2: entering}
        case KernelLayout.SEPARABLE, "pointwise_kernel":
            axes = {2: np.repeat(entering, layer.config["depth_multiplier"]), 3: leaving}
        case _, "kernel":
            rank = len(spec.shape)
            axes = {rank - 2: entering, rank - 1: leaving}
        case _:
            axes = {len(spec.shape) - 1: leaving}
    # What else has another length is shared by all channels, or split among groups and protected.
    return {
        axis: classes
        for axis, classes in axes.items()
        if axis in range(len(spec.shape)) and spec.shape[axis] == len(classes)
    }


@dataclass
class _Tracer:
    """Numbers channels layer by layer, and notes which are equal and which must stay."""

    count: int = 0
    numbers: dict[str, Classes] = field(default_factory=dict)
    ties: list[tuple[Classes, Classes]] = field(default_factory=list)
    guarded: list[tuple[Classes, str]] = field(default_factory=list)

    def enter(self, name: str, channels: int) -> None:
        """Give numbers to the channels of the image, which can't be asked to lose any."""
        self.numbers[name] = self._new(channels)
        self.guarded.append((self.numbers[name], "its channels are joined with the image's"))

    def follow(self, graph: Graph, layer: Layer) -> None:
        """Give numbers to the channels that leave a layer."""
        entering = [self.numbers[tensor] for tensor in layer.inputs]
        leaving = self._leaving(graph, layer, entering)
        reason = _reason_to_protect(layer)
        bound = []
        if leaving is None:
            leaving, bound = self._new(layer.output.shape[_LAST]), entering
            reason = reason or f"{layer.name} ({layer.kind}) mixes its channels with other axes"
        self.numbers[layer.name] = leaving
        if reason is not None:
            self.guarded.extend((numbers, reason) for numbers in (leaving, *bound))

    def _leaving(self, graph: Graph, layer: Layer, entering: list[Classes]) -> Classes | None:
        """Return the numbers that leave, or None where the channels can't be followed."""
        kind = kind_of(layer.kind)
        match kind.channels:
            case ChannelFlow.MADE if kind.binds_channels(layer) is None:
                return self._new(layer.output.shape[_LAST])
            case ChannelFlow.JOINED if layer.config["axis"] == _LAST:
                return np.concatenate(entering)
            case ChannelFlow.MERGED | ChannelFlow.JOINED:
                return self._merge(entering, layer.output.shape[_LAST])
            case ChannelFlow.MOVED:
                return _rearranged(layer, entering[0], graph.tensors[layer.inputs[0]].shape)
            case ChannelFlow.KEPT | ChannelFlow.NORMALIZED:
                return np.repeat(entering[0], layer.config.get("depth_multiplier", 1))
            case _:
                return None

    def _merge(self, entering: list[Classes], width: int) -> Classes:
        """Tie channels that meet one to one; a single one that meets them all ties none."""
        first, *others = [numbers for numbers in entering if len(numbers) == width]
        self.ties.extend((first, other) for other in others)
        return first

    def _new(self, channels: int) -> Classes:
        self.count += channels
        return np.arange(self.count - channels, self.count)


def _reason_to_protect(layer: Layer) -> str | None:
    """Say why a layer needs all of its channels, or None if it treats each by itself."""
    name, activation = f"{layer.name} ({layer.kind})", layer.config.get("activation")
    reason = kind_of(layer.kind).binds_channels(layer)
    if reason is not None:
        return f"{name} {reason}"
    if activation in _OVER_CHANNELS:
        return f"{name} ends in a {activation} over its channels"
    return None


def _rearranged(layer: Layer, entering: Classes, shape: tuple[int, ...]) -> Classes | None:
    """Move the numbers as the layer moves the values; None if the last axis does not hold them."""
    values = np.broadcast_to(entering, shape)
    if "dims" in layer.config:
        values = values.transpose(0, *layer.config["dims"])
    rows = values.reshape(math.prod(layer.output.shape[:_LAST]), layer.output.shape[_LAST])
    return np.array(rows[0]) if bool((rows == rows[0]).all()) else None


def _connect(count: int, ties: Iterable[tuple[Classes, Classes]]) -> Classes:
    """Return the class of every number."""
    pairs = [np.empty((0, 2), np.int64), *(np.stack(tie, axis=1) for tie in ties)]
    left, right = np.concatenate(pairs).T
    links = coo_array((np.ones(len(left)), (left, right)), shape=(count, count))
    classes: Classes = connected_components(links, directed=False)[1].astype(np.int64)
    return classes


def _protect(own: Mapping[str, Classes], guarded: Iterable[tuple[Classes, str]]) -> dict[str, str]:
    """Protect every layer that makes a guarded class, and then all classes that it makes."""
    protected: dict[str, str] = {}
    waiting = list(guarded)
    while waiting:
        classes, reason = waiting.pop(0)
        touched = [
            name
            for name, made_classes in own.items()
            if name not in protected and bool(np.isin(made_classes, classes).any())
        ]
        protected |= dict.fromkeys(touched, reason)
        waiting[:0] = [(own[name], reason) for name in touched]
    return protected


def _groups(own: Mapping[str, Classes]) -> tuple[ClassGroup, ...]:
    """Put together the classes that come from the same layers, equally often from each."""
    makers: dict[int, list[str]] = {}
    for name, classes in own.items():
        for number in classes.tolist():
            makers.setdefault(number, []).append(name)
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, names in makers.items():
        groups.setdefault(tuple(names), []).append(number)
    return tuple(
        ClassGroup(tuple(dict.fromkeys(names)), np.array(classes))
        for names, classes in groups.items()
    )
