"""Which settings make channels of a layer depend on each other, or count them.

The choices for ``LayerKind.binds_channels`` and ``LayerKind.resized``.
"""

from typing import Any

import numpy as np

from edgeseg.network.graph import Layer

LAST_AXIS = -1
_WIDTH_SETTINGS = frozenset({"filters", "units"})


def never_bound(_: Layer) -> str | None:
    """Say of any settings that channels depend on each other as the flow says."""
    return None


def bound_in_groups(layer: Layer) -> str | None:
    """Refuse convolutions by groups: each filter reads some of the channels."""
    groups = layer.config["groups"]
    return f"works on its channels in {groups} groups" if groups > 1 else None


def bound_over_last_axis(layer: Layer) -> str | None:
    """Refuse a softmax along the channels, which add up to one."""
    over_channels = LAST_AXIS in np.atleast_1d(layer.config["axis"])
    return "is taken over its channels" if over_channels else None


def bound_unless_last_axis(layer: Layer) -> str | None:
    """Refuse batch norm with statistics along another axis."""
    return None if layer.config["axis"] == LAST_AXIS else _TOGETHER


def bound_unless_alone(layer: Layer) -> str | None:
    """Refuse group norm unless there is a group for each channel."""
    alone = layer.config["groups"] in {-1, layer.output.shape[LAST_AXIS]}
    return None if alone and layer.config["axis"] == LAST_AXIS else _TOGETHER


def always_normalized_together(_: Layer) -> str | None:
    """Refuse layer norm, which has statistics over channels."""
    return _TOGETHER


def bound_by_own_factors(layer: Layer) -> str | None:
    """Refuse a rescaling with a factor or a summand for each channel."""
    plain = np.ndim(layer.config["scale"]) == np.ndim(layer.config["offset"]) == 0
    return None if plain else "scales each of its channels by a number of its own"


_TOGETHER = "normalizes its channels together"


def with_width(layer: Layer, width: int) -> dict[str, Any]:
    """Return the settings with another number of filters or units, where they have one."""
    config = dict(layer.config)
    return config | dict.fromkeys(_WIDTH_SETTINGS & config.keys(), width)


def with_groups(layer: Layer, width: int) -> dict[str, Any]:
    """Return the settings of a group norm; one group a channel stays one group a channel."""
    config = dict(layer.config)
    alone = config["groups"] == layer.output.shape[LAST_AXIS]
    return config | {"groups": width} if alone else config


def with_last_extent(layer: Layer, width: int) -> dict[str, Any]:
    """Return the settings of a reshape to another last extent, where that is not left open."""
    config = dict(layer.config)
    *others, last = config["target_shape"]
    return config if last == -1 else config | {"target_shape": [*others, width]}
