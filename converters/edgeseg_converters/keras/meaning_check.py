"""Holds what channels are taken for against what the model says of air, and of slices."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Decoding
from edgeseg.errors import UsageError, field_name
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.keras.rebuild import build
from edgeseg_converters.network import Network

_SURE = 0.9
"""Mean probability of a channel from which on it is no accident of weights."""

_LEAST_MARGIN = 0.02
"""By how much more probable another channel must be on air; weights never trained tie."""

_HALF = 0.5
_COMPLEMENT = 0.95
"""Share of pixels in which either the background or something else has at least one half."""


@dataclass(frozen=True)
class Views:
    """Model inputs, (1, H, W, C) each: nothing but air, and CT slices or noise, at least one."""

    air: ModelInput
    slices: Sequence[ModelInput]
    are_real: bool


@dataclass(frozen=True)
class _Outputs:
    """Probabilities of a model, (pixels, channels): of air, and of slices or noise."""

    air: NDArray[np.float32]
    slices: NDArray[np.float32]
    are_real: bool

    @property
    def of_slices(self) -> str:
        """Name the slices."""
        return "on the calibration slices" if self.are_real else "on noise"


def check_meaning(
    network: Network, decoding: Decoding, views: Views, *, stated: bool
) -> tuple[str, ...]:
    """Return what the user should know of the background, and refuse a guess that looks wrong.

    The background of CT is what a model finds in air and, on slices, most often. A softmax of
    which that is another channel than the first, or sigmoids of which one is the complement of
    all others, are asked about.

    Parameters
    ----------
    network
        A model whose output holds probabilities.
    decoding
        What its channels are taken for.
    views
        What it is shown.
    stated
        Whether the user stated the meaning; then nothing is refused.

    Raises
    ------
    UsageError
        If the model contradicts a guess.
    """
    on_air, *others = _seen(network, views)
    outputs = _Outputs(on_air, np.concatenate(others), views.are_real)
    doubtful = _of_winner if decoding.activation == "softmax" else _of_each
    doubts = tuple(doubtful(outputs, decoding))
    grave = next((doubt for doubt in doubts if doubt.is_grave), None)
    if grave is not None and not stated:
        raise UsageError(f"{grave.what}; {grave.remedy}")
    return tuple(doubt.what if stated else f"{doubt.what}; {doubt.remedy}" for doubt in doubts)


def check_logits(network: Network, views: Views) -> None:
    """Refuse an output without activation whose values are those of probabilities.

    Parameters
    ----------
    network
        A model whose output is taken for logits.
    views
        What it is shown.

    Raises
    ------
    UsageError
        If all values lie between 0 and 1, and are not all the same. Weights that were never
        trained may do that too, but make nothing of air.
    """
    on_air, *others = _seen(network, views)
    values = np.concatenate((on_air, *others))
    low, high = float(values.min()), float(values.max())
    if 0 <= low < high <= 1 and (high > _HALF or on_air.any()):
        flag = field_name("activation")
        raise UsageError(
            f"the model ends without an activation ({network.graph.outputs[0]}), and its output "
            f"is from {low:.2f} to {high:.2f}, as probabilities are and logits are not; give "
            f"{flag} none if these are probabilities, or {flag} sigmoid or softmax"
        )


def _seen(network: Network, views: Views) -> list[NDArray[np.float32]]:
    """Return the output for air and for each slice, (pixels, channels)."""
    model = build(network, "meaning")
    (end,) = network.graph.outputs
    channels = network.graph.tensors[end].shape[-1]
    return [
        np.asarray(model([image], training=False), np.float32).reshape(-1, channels)
        for image in (views.air, *views.slices)
    ]


@dataclass(frozen=True)
class _Doubt:
    what: str
    remedy: str
    is_grave: bool


def _of_winner(outputs: _Outputs, decoding: Decoding) -> Iterator[_Doubt]:
    """Yield where another channel wins than that of the background."""
    if 0 not in decoding.channels:
        return
    taken = decoding.channels.index(0)
    remedy = (
        f"say which it is: {field_name('background')} N, 0 to {len(decoding.channels) - 1}, or none"
    )
    on_air = outputs.air.mean(axis=0)
    first = int(on_air.argmax())
    if on_air[first] - on_air[taken] > _LEAST_MARGIN:
        yield _Doubt(
            f"channel {taken} is taken for the background, and on a slice of air the model finds "
            f"channel {first} ({on_air[first]:.2f} to {on_air[taken]:.2f})",
            remedy,
            bool(on_air[first] >= _SURE),
        )
        return
    winners = outputs.slices.argmax(axis=1)
    most = int(np.bincount(winners).argmax())
    where = winners == most
    if most != taken and where.mean() > _HALF and outputs.slices[where, most].mean() >= _SURE:
        yield _Doubt(
            f"channel {taken} is taken for the background, and {outputs.of_slices} the model finds "
            f"channel {most} in {where.mean():.0%} of the pixels",
            remedy,
            outputs.are_real,
        )


def _of_each(outputs: _Outputs, decoding: Decoding) -> Iterator[_Doubt]:
    """Yield which sigmoids find something in air; their background would be no label."""
    on_air = outputs.air.mean(axis=0)
    finds = np.concatenate((outputs.air, outputs.slices)) >= _HALF
    alone = len(decoding.channels) == 1
    for channel in np.flatnonzero(on_air >= (_HALF if alone else _SURE)).tolist():
        others = np.delete(finds, channel, axis=1).any(axis=1)
        what = (
            f"the model finds channel {channel}, label {decoding.channels[channel]}, all over a "
            f"slice of air ({on_air[channel]:.2f})"
        )
        remedy = (
            f"look at {field_name('window')} and {field_name('input_range')}"
            if alone
            else f"give {field_name('background')} {channel} if that is the background, or "
            f"{field_name('background')} none if it is a label"
        )
        complements = float(np.mean(finds[:, channel] != others)) >= _COMPLEMENT
        yield _Doubt(what, remedy, complements and not alone)
