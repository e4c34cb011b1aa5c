"""Agreement of a mask with the truth: Dice and surface Dice of each region."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.scoring.surface_dice import Spacing, surface_dice

KITS_REGIONS: Mapping[str, tuple[int, ...]] = {
    "kidney_and_mass": (1, 2, 3),
    "mass": (2, 3),
    "tumor": (2,),
}
"""The nested regions of the KiTS challenge, as the labels that each holds."""

KITS_TOLERANCES_MM: Mapping[str, float] = {
    "kidney_and_mass": 1.0330772532390826,
    "mass": 1.1328796488598762,
    "tumor": 1.1498198361434828,
}
"""How far surfaces may lie apart, by region: the disagreement of the KiTS annotators."""


def dice(truth: NDArray[np.bool_], prediction: NDArray[np.bool_]) -> float:
    """Return the Dice coefficient of two binary masks of one shape.

    Both empty gives 1, one empty gives 0, as the KiTS challenge counts.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"masks of {truth.shape} and {prediction.shape} can't be compared")
    total = np.count_nonzero(truth) + np.count_nonzero(prediction)
    if total == 0:
        return 1.0
    return 2 * float(np.count_nonzero(truth & prediction)) / float(total)


def region_dice(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    regions: Mapping[str, tuple[int, ...]] = KITS_REGIONS,
) -> dict[str, float]:
    """Return the Dice coefficient of each region, by its name.

    Parameters
    ----------
    truth, prediction
        Label arrays of one shape.
    regions
        The labels of each region; a single label is one too: ``{"kidney": (1,)}``.
    """
    return {
        name: dice(np.isin(truth, labels), np.isin(prediction, labels))
        for name, labels in regions.items()
    }


def region_surface_dice(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    spacing: Spacing,
    tolerances: Mapping[str, float] = KITS_TOLERANCES_MM,
    regions: Mapping[str, tuple[int, ...]] = KITS_REGIONS,
) -> dict[str, float]:
    """Return the surface Dice of each region, by its name.

    Parameters
    ----------
    truth, prediction
        3-D label arrays of one shape.
    spacing
        Distances of voxels along each axis, in mm.
    tolerances
        How far surfaces may lie apart, in mm, by region.
    regions
        The labels of each region.
    """
    return {
        name: surface_dice(
            np.isin(truth, labels), np.isin(prediction, labels), spacing, tolerances[name]
        )
        for name, labels in regions.items()
    }
