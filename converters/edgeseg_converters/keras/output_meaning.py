"""What the output channels of a model mean: labels, the background, nested regions."""

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

from edgeseg.bundle.manifest import Decoding, Label
from edgeseg.errors import ModelError, UsageError, field_name
from edgeseg.labelled.labels import CYST, KIDNEY, KITS_LABELS, TUMOR
from edgeseg.network.graph import Graph
from edgeseg_converters.keras.logits import ends_in_softmax

Background: TypeAlias = int | str
"""The output channel that means no label: its number, ``first``, ``last`` or ``none``."""

Regions: TypeAlias = Literal["nested", "exclusive"]
"""Whether each channel of three sigmoids lies within the one before, or stands for itself."""

_KITS_REGIONS = ("kidney_and_mass", "mass", "tumor")
_NESTED = (KIDNEY, CYST, TUMOR)
"""KiTS regions, outermost first: kidney_and_mass paints kidney, mass cyst, tumor tumor."""
_PALETTE = ("#2a9d8f", "#e4572e", "#f2c14e", "#5b8def", "#b56bd6", "#8ac926", "#ff8fab", "#9c7a54")
_COLORS = {label.name: label.color for label in KITS_LABELS}
_MAX_LABELS = 255
_BACKGROUND = "background"
_SAYS_REGIONS = re.compile(r"(?:^|[^a-z])regions?(?:[^a-z]|$)")


def decoding(
    graph: Graph,
    labels: Sequence[str] | None = None,
    background: Background | None = None,
    regions: Regions | None = None,
) -> tuple[Decoding, tuple[Label, ...]]:
    """Return how the output channels become labels, and the labels.

    Unless it is stated, a softmax has the background as its first channel, and sigmoids have
    none. Three sigmoids are the nested KiTS regions where that is stated, where the labels are
    named so, or where a layer at the end of the model is called ``regions``.

    Parameters
    ----------
    graph
        A graph whose one output, (1, H, W, channels), holds probabilities.
    labels
        Names, one a channel, for label values 1, 2, ...; the background's channel has none, or
        is named ``background``.
    background
        The background's channel, if it is stated.
    regions
        Whether regions are nested, if it is stated.

    Raises
    ------
    UsageError
        If the number of names does not fit the model, there is no such channel, or what is stated
        contradicts itself or the model.
    ModelError
        If the output can't be read as probabilities of labels.
    """
    (end,) = graph.outputs
    channels, softmax = graph.tensors[end].shape[-1], ends_in_softmax(graph)
    labels, background = _named_background(labels, background, channels)
    if _are_nested(graph, labels, regions, softmax=softmax):
        _refuse_background(background)
        if _are_kits(labels, channels):
            return Decoding("sigmoid", _NESTED), KITS_LABELS
    at = _background_channel(background, channels, softmax=softmax)
    count = channels - (at is not None)
    if not 1 <= count <= _MAX_LABELS or (softmax and channels == 1):
        raise ModelError(
            f"the model's {channels} output channels can't be labels; edgeseg needs 1 to 255 of "
            "them, beside the background"
        )
    if labels is not None and (len(labels) != count or len(set(labels)) != count):
        raise UsageError(
            f"{field_name('labels')} gives {len(labels)} names; the model needs {count}, all "
            "distinct"
        )
    values = iter(range(1, count + 1))
    painted = tuple(0 if channel == at else next(values) for channel in range(channels))
    exclusive = softmax or at is not None
    return Decoding("softmax" if exclusive else "sigmoid", painted), _labels(count, labels)


def is_stated(
    graph: Graph,
    labels: Sequence[str] | None = None,
    background: Background | None = None,
    regions: Regions | None = None,
) -> bool:
    """Tell whether it is said which channel is the background, or that regions are nested."""
    return (
        background is not None
        or _BACKGROUND in _normalized(labels)
        or _are_nested(graph, labels, regions, softmax=ends_in_softmax(graph))
    )


def _named_background(
    labels: Sequence[str] | None, background: Background | None, channels: int
) -> tuple[Sequence[str] | None, Background | None]:
    """Take a name ``background`` out of the names of all channels; its place is the channel."""
    names = [name.casefold() for name in labels or ()]
    if labels is None or len(names) != channels or names.count(_BACKGROUND) != 1:
        return labels, background
    at = names.index(_BACKGROUND)
    if background is not None and _background_channel(background, channels, softmax=True) != at:
        raise UsageError(
            f"{field_name('labels')} names channel {at} background, and "
            f"{field_name('background')} is {background}; leave one of them out"
        )
    return [name for index, name in enumerate(labels) if index != at], at


def _are_nested(
    graph: Graph, labels: Sequence[str] | None, regions: Regions | None, *, softmax: bool
) -> bool:
    """Tell whether the channels are nested regions."""
    stated = regions == "nested" or (regions is None and _normalized(labels) == _KITS_REGIONS)
    if stated and softmax:
        what = "regions" if regions == "nested" else "labels"
        raise UsageError(
            f"{field_name(what)} asks for nested regions, and the channels of the model's softmax "
            f"exclude each other; leave {field_name(what)} out, or name the labels"
        )
    by_name = regions is None and labels is None and not softmax and _is_called_regions(graph)
    return stated or by_name


def _are_kits(labels: Sequence[str] | None, channels: int) -> bool:
    """Tell whether nested regions are those of KiTS; others are painted in channel order."""
    return channels == len(_NESTED) and (labels is None or _normalized(labels) == _KITS_REGIONS)


def _normalized(labels: Sequence[str] | None) -> tuple[str, ...]:
    names = (re.sub(r"[ -]+", "_", name.casefold()) for name in labels or ())
    return tuple(name.replace("tumour", "tumor") for name in names)


def _is_called_regions(graph: Graph) -> bool:
    """Tell whether the last layer, or the one that an activation alone follows, is called so."""
    (end,) = graph.outputs
    last = graph.layer(end) if end in graph.position else None
    names = [end] if last is None or last.kind != "Activation" else [end, *last.inputs]
    return any(_SAYS_REGIONS.search(name.casefold()) for name in names)


def _refuse_background(background: Background | None) -> None:
    if background not in {None, "none"}:
        raise UsageError(
            f"{field_name('background')} is {background}, and the model's channels are nested "
            f"regions, which leave the background out; leave {field_name('background')} out, or "
            f"give {field_name('regions')} exclusive"
        )


def _background_channel(
    background: Background | None, channels: int, *, softmax: bool
) -> int | None:
    """Return the background's channel, None where there is none."""
    if isinstance(background, int):
        if not 0 <= background < channels:
            raise UsageError(
                f"{field_name('background')} is {background}, and the model's output channels "
                f"are 0 to {channels - 1}; give one of them, first, last or none"
            )
        return background
    if background is None:
        return 0 if softmax else None
    return {"first": 0, "last": channels - 1, "none": None}[background]


def _labels(count: int, names: Sequence[str] | None) -> tuple[Label, ...]:
    label_names = names or [f"label {value}" for value in range(1, count + 1)]
    return tuple(
        Label(value, name, _COLORS.get(name, _PALETTE[(value - 1) % len(_PALETTE)]))
        for value, name in enumerate(label_names, start=1)
    )
