"""How much Dice each piece alone costs when it is quantized and all others stay in float32."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeseg.manifest import Decoding
from edgeseg.metrics import dice
from edgeseg.slices import HALF, to_probabilities
from edgeseg_converters.chain import Image, outputs_of, probabilities, stages, stages_after
from edgeseg_converters.export import Compiled

Regions: TypeAlias = NDArray[np.bool_]
"""Where each label's own channel finds it, (labels, slices, H, W)."""


def dice_losses(
    exact: Sequence[Compiled],
    rough: Sequence[Compiled],
    images: Sequence[Image],
    decoding: Decoding,
) -> Iterator[float]:
    """Yield, piece by piece, the Dice that its rough version costs against all in float32.

    The rough piece reads what reaches it in float32 and float32 pieces read what it makes, so
    the pieces before it are run once for all.

    Parameters
    ----------
    exact, rough
        The same pieces in float32 and in the precision that is tried.
    images
        Model inputs, (1, H, W, C) each.
    """
    truth = regions_of(outputs_of(exact, images), decoding)
    # There is one stage more than pieces: what leaves the last one.
    for index, entering in enumerate(stages(exact, images)):
        if index == len(exact):
            return
        mixed = [rough[index], *exact[index + 1 :]]
        *_, last = stages_after(mixed, entering)
        yield dice_loss(truth, regions_of(probabilities(mixed, last), decoding))


def regions_of(outputs: Sequence[Image], decoding: Decoding) -> Regions:
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
        found = levels.argmax(axis=-1)[..., np.newaxis] == np.arange(len(decoding.channels))
    else:
        found = levels >= HALF
    labels = np.array(decoding.channels) > 0
    regions: Regions = np.moveaxis(found[..., labels], -1, 0)
    return regions


def dice_loss(truth: Regions, prediction: Regions) -> float:
    """Return how much Dice is lost, over all slices together, as the mean of the regions there are.

    Where the truth is empty, as on noise, Dice says nothing: then it is the share of pixels that
    differ.
    """
    pairs = [pair for pair in zip(truth, prediction, strict=True) if pair[0].any()]
    if not pairs:
        return float(np.mean(truth != prediction))
    return 1 - float(np.mean([dice(one, other) for one, other in pairs]))
