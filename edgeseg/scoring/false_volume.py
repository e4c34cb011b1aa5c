"""What is found in scans that have none of it: volumes of regions that the truth lacks."""

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import TypeAlias

import msgspec
import numpy as np

from edgeseg.imaging.slices import Mask
from edgeseg.scoring.dice import KITS_REGIONS

RegionML: TypeAlias = Mapping[str, float]
"""Volume of each region in mL."""


class FalseVolumes(msgspec.Struct, frozen=True):
    """One region over the scans that have none of it.

    Attributes
    ----------
    scans, found_in
        How many such scans there are, and in how many of them something is found.
    median_ml, mean_ml, largest_ml
        Of what is found, over all of them.
    """

    scans: int
    found_in: int
    median_ml: float
    mean_ml: float
    largest_ml: float


def region_ml(labels: Mask, voxel_ml: float) -> dict[str, float]:
    """Return the volume in mL of each KiTS region in a label array."""
    counts = np.bincount(labels.ravel(), minlength=256)
    return {name: float(counts[list(of)].sum()) * voxel_ml for name, of in KITS_REGIONS.items()}


def false_volumes(
    cases: Sequence[tuple[RegionML | None, RegionML | None]],
) -> dict[str, FalseVolumes]:
    """Summarize what is found of each region in the scans that lack it.

    Parameters
    ----------
    cases
        Volumes of truth and prediction; None for a picture, which is left out.

    Returns
    -------
    dict
        Without regions that every scan has.
    """
    volumes = [(truth, found) for truth, found in cases if truth is not None and found is not None]
    summaries = {}
    for region in KITS_REGIONS:
        found_ml = [found[region] for truth, found in volumes if not truth[region]]
        if found_ml:
            summaries[region] = FalseVolumes(
                len(found_ml),
                sum(ml > 0 for ml in found_ml),
                median(found_ml),
                fmean(found_ml),
                max(found_ml),
            )
    return summaries
