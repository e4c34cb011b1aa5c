"""Dice that changing one piece costs while all others stay exact, piece by piece."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Decoding
from edgeseg.imaging.slices import HALF, to_probabilities
from edgeseg.inference.banded import runner_of
from edgeseg.inference.engine import open_engine
from edgeseg.scoring.dice import dice
from edgeseg_converters.arrays import ModelInput
from edgeseg_converters.network import ChannelMasks, narrowed
from edgeseg_converters.tflite.chain import (
    LiveTensors,
    Value,
    outputs_of,
    probabilities,
    stages,
    stages_after,
)
from edgeseg_converters.tflite.export import Compiled

RegionMasks: TypeAlias = NDArray[np.bool_]
"""Where each label's own channel finds it, (labels, slices, H, W)."""


def dice_losses(
    exact: Sequence[Compiled],
    rough: Sequence[Compiled],
    images: Sequence[ModelInput],
    decoding: Decoding,
    left: ChannelMasks,
) -> Iterator[float]:
    """Yield, piece by piece, the Dice that its rough version costs against all exact ones.

    The rough piece reads what exact pieces made, and exact pieces read what it makes, so the
    pieces before it are run once for all. Channels that the rough piece does not make are those
    of the exact one: what a missing channel costs is counted at the pieces that read without it.

    Parameters
    ----------
    exact, rough
        The same pieces in float32 and as they are tried.
    images
        Model inputs, (1, H, W, C) each.
    left
        The channels of rough tensors, where they are fewer.
    """
    truth = regions_of(outputs_of(exact, images), decoding)
    for index, (entering, leaving) in enumerate(pairwise(stages(exact, images))):
        mixed = list(_exchanged(rough[index], entering, leaving, left))
        *_, last = mixed, *stages_after(exact[index + 1 :], mixed)
        yield dice_loss(truth, regions_of(probabilities(exact, last), decoding))


def _exchanged(
    piece: Compiled,
    entering: Sequence[LiveTensors],
    leaving: Sequence[LiveTensors],
    left: ChannelMasks,
) -> Iterator[LiveTensors]:
    """Yield what is alive behind a piece, its tensors as this version of it makes them."""
    runner = runner_of(piece, open_engine(piece.model))
    for before, after in zip(entering, leaving, strict=True):
        outputs = runner.run(
            narrowed(before[port.tensor].at(port), port.tensor, left) for port in piece.inputs
        )
        fresh = {
            port.tensor: _widened(Value(port, array), after[port.tensor], left)
            for port, array in zip(piece.outputs, outputs, strict=True)
            if port.tensor in after
        }
        yield after | fresh


def _widened(rough: Value, exact: Value, left: ChannelMasks) -> Value:
    """Put the channels that a rough piece made among those of the exact one."""
    array, tensor = rough.at(exact.port), exact.port.tensor
    if tensor not in left:
        return Value(exact.port, array)
    whole = exact.array.copy()
    whole[..., left[tensor]] = array
    return Value(exact.port, whole)


def regions_of(outputs: Sequence[ModelInput], decoding: Decoding) -> RegionMasks:
    """Return what each channel but the background's finds.

    Nested regions are compared whole: the rim that one leaves visible of another is a few
    pixels wide, and its Dice is noise.

    Parameters
    ----------
    outputs
        Probabilities, (1, H, W, channels) a slice.
    """
    levels = np.stack([to_probabilities(output) for output in outputs])
    if decoding.activation == "softmax":
        masks = levels.argmax(axis=-1)[..., np.newaxis] == np.arange(len(decoding.channels))
    else:
        masks = levels >= HALF
    labels = np.array(decoding.channels) > 0
    regions: RegionMasks = np.moveaxis(masks[..., labels], -1, 0)
    return regions


def dice_loss(truth: RegionMasks, prediction: RegionMasks) -> float:
    """Return how much Dice is lost, over all slices together, as the mean of the regions there are.

    Where the truth is empty, as on noise, Dice says nothing: then it is the share of pixels that
    differ.

    Parameters
    ----------
    truth, prediction
        Masks of each region, (regions, slices, H, W).
    """
    pairs = [pair for pair in zip(truth, prediction, strict=True) if pair[0].any()]
    if not pairs:
        return float(np.mean(truth != prediction))
    return 1 - float(np.mean([dice(region, predicted) for region, predicted in pairs]))
