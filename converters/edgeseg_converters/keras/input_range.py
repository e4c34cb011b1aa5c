"""What range of numbers a model reads, as far as its first layers tell."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Interval
from edgeseg.errors import UsageError, field_name
from edgeseg.network.graph import Graph, Layer
from edgeseg_converters.network import Network

UNIT = (0.0, 1.0)
"""What is fed where nothing else is known."""

GREY = (0.0, 255.0)
"""What a model that was trained on pictures and rescales them itself reads."""

_Floats: TypeAlias = NDArray[np.float64]

_PASSING = frozenset(
    {"Concatenate", "Cropping2D", "GaussianNoise", "Permute", "Resizing", "ZeroPadding2D"}
)
"""Kinds of layers that move the image, or repeat it, and leave its values."""

_PASSING_FUNCTIONS = frozenset({"clip", "maximum", "minimum", "slice", "stack", "tile"})
"""Operators that do, or that bound the values alone."""

_LARGEST_UNIT = 1.5
"""Mean or deviation of numbers that are no grey levels and no HU."""

_NEAR = 0.02


@dataclass(frozen=True)
class _Scaling:
    """What first layers do to the image: take off a mean, divide by a deviation.

    Attributes
    ----------
    layer
        The name of the first of them.
    mean, deviation
        One for all channels, or one for each.
    """

    layer: str
    mean: _Floats
    deviation: _Floats

    @property
    def is_of_pictures(self) -> bool:
        """Whether 0..255 become 0..1 or -1..1, or nearly so: nothing else is rescaled like that."""
        return any(
            bool(np.all(np.abs(self.deviation - width) <= _NEAR * width))
            and any(bool(np.all(np.abs(self.mean - at) <= _NEAR * width)) for at in (0.0, width))
            for width in (GREY[1], GREY[1] / 2)
        )

    @property
    def is_of_units(self) -> bool:
        """Whether it may well be one of numbers from 0 to 1."""
        return bool(np.all(np.maximum(np.abs(self.mean), self.deviation) <= _LARGEST_UNIT))

    @property
    def is_of_hounsfield(self) -> bool:
        """Whether no grey levels are like that: below 0, or further apart than they can be."""
        low, high = GREY
        return not self.is_of_pictures and bool(
            np.any((self.mean < low) | (self.mean > high) | (self.deviation > high))
        )


def expected_range(network: Network, window: Interval) -> tuple[Interval, str | None]:
    """Return what to feed a model for the ends of the window, and a line if that is no 0 to 1.

    A model that rescales 0..255 to 0..1 or to -1..1 reads grey levels; one that takes off a mean
    and divides by a deviation (``Rescaling``, ``Normalization``, ``BatchNormalization``, or the
    operators that do the same) reads what has such a mean.

    Parameters
    ----------
    network
        The model.
    window
        The HU whose ends are fed.

    Raises
    ------
    UsageError
        If it may be grey levels or HU, and these differ, or if it is HU that the window cuts off.
    """
    scalings = list(_scalings(network))
    known = [scaling for scaling in scalings if scaling is not None]
    if not known or len(known) < len(scalings) or all(each.is_of_units for each in known):
        return UNIT, None
    first = known[0]
    what = f"{first.layer} rescales the model's input"
    otherwise = f"{field_name('input_range')} says otherwise"
    low, high = window
    is_hounsfield = any(each.is_of_hounsfield for each in known)
    if is_hounsfield and window != GREY:
        return window, f"{what}, which is taken for HU: it is fed {low:g} to {high:g}; {otherwise}"
    if all(each.is_of_pictures for each in known) or (window == GREY and not is_hounsfield):
        return GREY, f"{what}, which is taken for grey levels: it is fed 0 to 255; {otherwise}"
    mean, deviation = np.mean(first.mean), np.mean(first.deviation)
    seen = f"{first.layer} takes {mean:.4g} off the model's input and divides by {deviation:.4g}"
    if is_hounsfield:
        raise UsageError(
            f"{seen}, as of HU beyond 0 to 255; give {field_name('window')} with the HU that the "
            f"model was trained on, or {field_name('input_range')} 0,255 where it is fed no others"
        )
    raise UsageError(
        f"{seen}, which may be grey levels or HU; give {field_name('input_range')} 0,255 for grey "
        f"levels, or {low:g},{high:g} for HU"
    )


def _scalings(network: Network) -> Iterator["_Scaling | None"]:
    """Yield what each of the first layers does to the image's values; None if anything else."""
    for layer in _readers(network.graph):
        affine = _affine(network, layer)
        yield None if affine is None else _followed(network, layer, *affine)


def _followed(network: Network, first: Layer, scale: _Floats, offset: _Floats) -> _Scaling:
    """Return what a layer does, together with those behind it that do the same kind of thing.

    Where it rescales pictures, what follows normalizes what pictures have become.
    """
    scaling, last = _Scaling(first.name, -offset / scale, 1 / np.abs(scale)), first
    while not scaling.is_of_pictures and last.kind == "Rescaling":
        readers = network.graph.consumers[last.output.name]
        affine = _affine(network, network.graph.layer(readers[0])) if len(readers) == 1 else None
        if affine is None:
            break
        scale, offset = scale * affine[0], offset * affine[0] + affine[1]
        scaling, last = (
            _Scaling(first.name, -offset / scale, 1 / np.abs(scale)),
            network.graph.layer(readers[0]),
        )
    return scaling


def _readers(graph: Graph) -> Iterator[Layer]:
    """Yield the layers that read the image's values, wherever these were moved to."""
    images = {graph.inputs[0].name}
    for layer in graph.layers:
        if images.isdisjoint(layer.inputs):
            continue
        if layer.kind in _PASSING or layer.config.get("function") in _PASSING_FUNCTIONS:
            images.add(layer.output.name)
        else:
            yield layer


def _affine(network: Network, layer: Layer) -> tuple[_Floats, _Floats] | None:
    """Return the factor and the summand of a layer that does no more; None for any other."""
    if layer.kind == "Rescaling":
        scale, offset = _floats(layer.config["scale"]), _floats(layer.config["offset"])
    elif layer.kind == "BatchNormalization":
        # Its learnt scale and centre are of what it makes, not of what it reads.
        mean, variance = network.weights[layer.name][-2:]
        scale = 1 / np.sqrt(_floats(variance) + layer.config.get("epsilon", 0.0))
        offset = -_floats(mean) * scale
    else:
        return None
    return (scale, offset) if np.all(scale != 0) else None


def _floats(value: Any) -> _Floats:
    return np.asarray(value, np.float64).reshape(-1)
