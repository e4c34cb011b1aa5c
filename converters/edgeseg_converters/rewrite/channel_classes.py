"""Which channels belong together: one class of channels goes from all tensors at once, or stays.

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

Classes: TypeAlias = NDArray[np.int64]
"""The class of each channel along an axis."""

MAKERS = frozenset({"Conv2D", "Conv2DTranspose", "Dense", "SeparableConv2D"})
"""Kinds whose filters make new channels; a depth-wise convolution hands on those it reads."""

_MERGES = frozenset({"Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"})
_NORMALIZATIONS = frozenset({"BatchNormalization", "GroupNormalization", "LayerNormalization"})
_REARRANGEMENTS = frozenset({"Flatten", "Permute", "Reshape"})
_HANDED_ON = frozenset(
    {"Activation", "AveragePooling2D", "Cropping2D", "DepthwiseConv2D", "ELU", "LeakyReLU"}
    | {"GlobalAveragePooling2D", "GlobalMaxPooling2D", "MaxPooling2D", "PReLU", "ReLU", "Rescaling"}
    | {"Resizing", "Softmax", "UpSampling2D", "ZeroPadding2D"}
    | _NORMALIZATIONS
)
_LAST = -1


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
    made = {layer.name: tensors[layer.name] for layer in graph.layers if layer.kind in MAKERS}
    protected = _protect(made, [(class_of[numbers], why) for numbers, why in tracer.guarded])
    free = {name: classes for name, classes in made.items() if name not in protected}
    return Channels(int(class_of.max()) + 1, tensors, _groups(free), protected)


def weight_axes(
    layer: Layer, spec: WeightSpec, tensors: Mapping[str, Classes]
) -> dict[int, Classes]:
    """Say along which axes of a weight array the channels lie, and which classes they are.

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
    match layer.kind, spec.name:
        case ("Conv2DTranspose", "kernel"):
            axes = {2: leaving, 3: entering}
        case ("DepthwiseConv2D", "kernel") | ("SeparableConv2D", "depthwise_kernel"):
            axes = {2: entering}
        case (_, "pointwise_kernel"):
            axes = {2: np.repeat(entering, layer.config["depth_multiplier"]), 3: leaving}
        case (_, "kernel"):
            rank = len(spec.shape)
            axes = {rank - 2: entering, rank - 1: leaving}
        case _:
            axes = {len(spec.shape) - 1: leaving}
    # What else has another length is shared by all channels, or split among groups and protected.
    return {axis: found for axis, found in axes.items() if spec.shape[axis] == len(found)}


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
        if layer.kind in MAKERS and not _is_grouped(layer):
            return self._new(layer.output.shape[_LAST])
        if layer.kind == "Concatenate" and layer.config["axis"] == _LAST:
            return np.concatenate(entering)
        if layer.kind in _MERGES or layer.kind == "Concatenate":
            return self._merge(entering, layer.output.shape[_LAST])
        if layer.kind in _REARRANGEMENTS:
            return _rearranged(layer, entering[0], graph.tensors[layer.inputs[0]].shape)
        if layer.kind in _HANDED_ON:
            return np.repeat(entering[0], layer.config.get("depth_multiplier", 1))
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
    config = layer.config
    name = f"{layer.name} ({layer.kind})"
    if _is_grouped(layer):
        return f"{name} works on its channels in {config['groups']} groups"
    if config.get("activation") in {"softmax", "log_softmax"}:
        return f"{name} ends in a {config['activation']} over its channels"
    if layer.kind == "Softmax" and _LAST in np.atleast_1d(config["axis"]):
        return f"{name} is taken over its channels"
    if layer.kind in _NORMALIZATIONS and not _normalizes_one_by_one(layer):
        return f"{name} normalizes its channels together"
    if layer.kind == "Rescaling" and not np.ndim(config["scale"]) == np.ndim(config["offset"]) == 0:
        return f"{name} scales each of its channels by a number of its own"
    return None


def _is_grouped(layer: Layer) -> bool:
    return layer.kind == "Conv2D" and layer.config["groups"] > 1


def _normalizes_one_by_one(layer: Layer) -> bool:
    one_each = layer.config.get("groups") in {-1, layer.output.shape[_LAST]}
    alone = layer.kind == "BatchNormalization" or (layer.kind == "GroupNormalization" and one_each)
    return alone and layer.config["axis"] == _LAST


def _rearranged(layer: Layer, entering: Classes, shape: tuple[int, ...]) -> Classes | None:
    """Move the numbers as the layer moves the values; None if the last axis does not hold them."""
    values = np.broadcast_to(entering, shape)
    if layer.kind == "Permute":
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


def _protect(made: Mapping[str, Classes], guarded: Iterable[tuple[Classes, str]]) -> dict[str, str]:
    """Protect every layer that makes a guarded class, and then all classes that it makes."""
    protected: dict[str, str] = {}
    waiting = list(guarded)
    while waiting:
        classes, reason = waiting.pop(0)
        touched = [
            name
            for name, own in made.items()
            if name not in protected and bool(np.isin(own, classes).any())
        ]
        protected |= dict.fromkeys(touched, reason)
        waiting[:0] = [(made[name], reason) for name in touched]
    return protected


def _groups(made: Mapping[str, Classes]) -> tuple[ClassGroup, ...]:
    """Put together the classes that come from the same layers, equally often from each."""
    makers: dict[int, list[str]] = {}
    for name, classes in made.items():
        for one in classes.tolist():
            makers.setdefault(one, []).append(name)
    groups: dict[tuple[str, ...], list[int]] = {}
    for one, names in makers.items():
        groups.setdefault(tuple(names), []).append(one)
    return tuple(
        ClassGroup(tuple(dict.fromkeys(names)), np.array(classes))
        for names, classes in groups.items()
    )
