"""Structured pruning: whole filters go, so that a network is smaller and faster by itself."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError
from edgeseg.network.graph import Graph
from edgeseg.progress import Progress, silent
from edgeseg.text.suggestions import did_you_mean
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.compress.prune.importance import IMPORTANCES, ChannelScores
from edgeseg_converters.compress.recipe import Filters
from edgeseg_converters.network import ChannelMasks, Network
from edgeseg_converters.rewrite.channel_classes import Channels, ClassGroup, trace_channels
from edgeseg_converters.rewrite.shrink import shrink


@dataclass(frozen=True)
class NarrowedGroup:
    """The layers that make a group of channels, and how many there were and are."""

    layers: tuple[str, ...]
    before: int
    after: int


@dataclass(frozen=True)
class KeptLayer:
    """A layer that lost no filter, and why."""

    layer: str
    reason: str


@dataclass(frozen=True)
class FilterPruning:
    """A network with fewer filters; every layer that makes channels was narrowed or kept.

    ``channels`` says which channels of each tensor of the whole network are left.
    """

    network: Network
    channels: ChannelMasks
    narrowed: tuple[NarrowedGroup, ...]
    kept: tuple[KeptLayer, ...]


def prune_filters(
    network: Network,
    request: Filters,
    images: Sequence[ModelInput],
    progress: Progress = silent,
) -> FilterPruning:
    """Remove the filters that matter least, with all that reads their channels.

    A channel that is constant rather than zero is dropped like any other, and batch-norm statistics
    are those of the whole network: let what is left make that good (:func:`refit`).

    Parameters
    ----------
    request
        Which share goes, measured how. ``uniform`` takes the share from every group of channels
        that belong together; ``global`` takes it from all of them as one ranking, by importance
        over its mean in the group, for kernels of unlike size have sums of unlike size. What a
        group keeps is rounded to the nearest multiple, one multiple at least, so the share is met
        about. A layer with a ratio of its own is outside the ranking.
    images
        Calibration slices, (1, H, W, C) float32 in 0..1; only ``taylor`` looks at them.
    progress
        Told how far the ranking is.

    Raises
    ------
    UsageError
        If a ratio is no share below 1, is given to a layer that can't be pruned or that does not
        exist, or the importance can't be measured on this network.
    """
    channels = trace_channels(network.graph)
    own = _own_ratios(network.graph, channels, request)
    scores = IMPORTANCES[request.importance](network, channels, images, progress)
    targets = _target_widths(channels.groups, scores, own, request)
    sizes = [
        _rounded(target, len(group.classes), request.multiple)
        for target, group in zip(targets, channels.groups, strict=True)
    ]
    keep = _kept_classes(channels, scores, sizes)
    narrowed = tuple(
        NarrowedGroup(group.layers, len(group.classes), size)
        for group, size in zip(channels.groups, sizes, strict=True)
        if size < len(group.classes)
    )
    reasons = dict(channels.protected)
    for group, target in zip(channels.groups, targets, strict=True):
        reasons |= dict.fromkeys(group.layers, _why_whole(len(group.classes), target, request))
    touched = {layer for group in narrowed for layer in group.layers}
    whole = [layer.name for layer in network.graph.layers if layer.name in reasons.keys() - touched]
    kept_layers = tuple(KeptLayer(layer, reasons[layer]) for layer in whole)
    left = {name: keep[classes] for name, classes in channels.tensors.items()}
    return FilterPruning(shrink(network, channels, keep), left, narrowed, kept_layers)


def _own_ratios(graph: Graph, channels: Channels, request: Filters) -> dict[int, float]:
    """Return the ratio of each group that the request gives one of its own, by place."""
    for ratio in (request.ratio, *request.layers.values()):
        if not 0 <= ratio < 1:
            raise UsageError(f"ratio {ratio:g} of filters is no share below 1; give 0.5, say")
    own: dict[int, float] = {}
    for name, ratio in request.layers.items():
        places = [place for place, group in enumerate(channels.groups) if name in group.layers]
        if not places:
            raise UsageError(_why_not(graph, channels, name))
        if any(own.get(place, ratio) != ratio for place in places):
            raise UsageError(
                f"layer {name!r} makes channels together with another layer that has another "
                "ratio; give both the same"
            )
        own |= dict.fromkeys(places, ratio)
    return own


def _why_not(graph: Graph, channels: Channels, name: str) -> str:
    if name in channels.protected:
        return f"layer {name!r} can't lose filters: {channels.protected[name]}; leave its ratio out"
    if name in graph.position:
        return (
            f"layer {name!r} ({graph.layer(name).kind}) has no filters of its own; give the ratio "
            "to the layer that makes its channels"
        )
    makers = [layer for group in channels.groups for layer in group.layers]
    near = did_you_mean(name, makers or graph.position, cutoff=0)
    return f"the model has no layer {name!r} to give a ratio to{near}"


def _target_widths(
    groups: Sequence[ClassGroup], scores: ChannelScores, own: Mapping[int, float], request: Filters
) -> list[float]:
    """Return how many channels each group would keep if widths were not rounded."""
    widths = [
        len(group.classes) * (1 - own.get(place, request.ratio))
        for place, group in enumerate(groups)
    ]
    ranked = [
        (score, place)
        for place, group in enumerate(groups)
        if place not in own and len(group.classes) > request.multiple
        for score in _relative(scores[group.classes]).tolist()
    ]
    if request.scope == "global":
        for place in {place for _, place in ranked}:
            widths[place] = len(groups[place].classes)
        for _, place in sorted(ranked)[: round(request.ratio * len(ranked))]:
            widths[place] -= 1
    return widths


def _relative(scores: ChannelScores) -> ChannelScores:
    """Divide by the mean, 1 in every group then; all zero stays zero."""
    return scores / (scores.mean() or 1.0)


def _rounded(width: float, size: int, multiple: int) -> int:
    """Round to the nearest multiple, up at one half; at least one multiple, at most the size."""
    if width >= size:
        return size
    return min(max(math.floor(width / multiple + 0.5), 1) * multiple, size)


def _kept_classes(
    channels: Channels, scores: ChannelScores, sizes: Sequence[int]
) -> NDArray[np.bool_]:
    """Choose what each group keeps: what matters most, the later ones where it is equal."""
    keep = np.ones(channels.count, np.bool_)
    for group, size in zip(channels.groups, sizes, strict=True):
        ascending = np.argsort(scores[group.classes], kind="stable")
        keep[group.classes[ascending[: len(ascending) - size]]] = False
    return keep


def _why_whole(size: int, target: float, request: Filters) -> str:
    """Say why a group keeps its width, if it does."""
    if size <= request.multiple:
        return f"it is {size} wide, and a multiple of {request.multiple} must stay"
    if target < size:
        return f"rounded to a multiple of {request.multiple}, all of its {size} filters stay"
    return "none of its filters was to go"
