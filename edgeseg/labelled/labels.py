"""Label values: those of KiTS, and how those of other data sets become them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Label
from edgeseg.errors import VolumeError
from edgeseg.imaging.slices import Mask

BACKGROUND, KIDNEY, TUMOR, CYST = range(4)
KITS_VALUES: Mapping[int, int] = {value: value for value in (BACKGROUND, KIDNEY, TUMOR, CYST)}
"""The KiTS value of each stored value where labels are KiTS's own."""

KITS_LABELS = (
    Label(KIDNEY, "kidney", "#2a9d8f"),
    Label(TUMOR, "tumor", "#e4572e"),
    Label(CYST, "cyst", "#f2c14e"),
)
"""The labels of KiTS, and what they are drawn in."""

HIGHEST = 255
"""The highest value that a stored label may have."""

UNKNOWN = 255
"""Marks pixels of unknown label; they count neither as right nor as wrong."""
WITH_UNKNOWN: Mapping[int, int] = {**KITS_VALUES, UNKNOWN: UNKNOWN}
"""KiTS's values where a data set says that it marks unknown pixels."""

_FOREIGN = 254


def to_kits(stored: NDArray[Any], values: Mapping[int, int], path: Path) -> Mask:
    """Turn stored labels of any type into KiTS values.

    Parameters
    ----------
    stored
        Whole numbers, any shape.
    values
        The KiTS value of each value, 0..255, that may be stored.
    path
        The file that an error names.

    Raises
    ------
    VolumeError
        If a value is not among them.
    """
    with np.errstate(invalid="ignore"):  # values that do not fit differ below
        small = stored.astype(np.uint8)
    table = np.full(HIGHEST + 1, _FOREIGN, np.uint8)
    table[list(values)] = list(values.values())
    labels: Mask = table[small]
    foreign = (labels == _FOREIGN) | (small != stored)
    if foreign.any():
        known = ", ".join(map(str, sorted(values)))
        raise VolumeError(
            f"{path} has the label value {stored[foreign][0]:g}; known are {known}; "
            "give masks with these"
        )
    return labels
