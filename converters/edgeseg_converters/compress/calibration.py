"""Slices that a conversion is calibrated and checked on: real ones, or seeded noise."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from edgeseg.bundle.manifest import Preprocessing
from edgeseg.errors import VolumeError, field_name
from edgeseg.imaging.formats import read_scan
from edgeseg.imaging.levels import Grey, as_grey, outside, random_levels, to_input
from edgeseg.imaging.neighbours import SliceLevels
from edgeseg.imaging.scan import Slices
from edgeseg_converters.arrays import ModelInput

MAX_SLICES = 32
_HIGHEST = 255
_LEAST_CONTRAST = 16
"""Grey levels that the best slice spans at least; soft tissue alone spans more."""
_LEAST_GREY = 0.01
"""Share of pixels that are neither black nor white."""

Item = TypeVar("Item")


def real_images(
    path: Path, preprocessing: Preprocessing, limit: int = MAX_SLICES
) -> list[ModelInput]:
    """Read slices, evenly spread over a scan, as model inputs (1, H, W, C).

    Parameters
    ----------
    path
        A NIfTI volume, an 8-bit PNG slice, or a folder of them.
    limit
        Most slices that are read.

    Raises
    ------
    VolumeError
        If the scan can't be used, or shows next to nothing in the model's window.
    """
    scan = read_scan(path)
    indices = evenly_spaced(range(len(scan)), limit)
    slices = SliceLevels(scan, preprocessing)
    levels = [slices.of(index) for index in indices]
    flaw = _flaw([as_grey(image, preprocessing) for image in levels])
    if flaw is not None:
        remedy = _remedy(scan, indices, preprocessing.window)
        raise VolumeError(f"the slices in {path} can't calibrate: they {flaw}; {remedy}")
    return [to_input(image, preprocessing) for image in levels]


def noise_images(preprocessing: Preprocessing, count: int) -> list[ModelInput]:
    """Make model inputs (1, H, W, C) of uniform noise, the same ones each time."""
    generator = np.random.default_rng(0)
    levels = random_levels(preprocessing, generator, count)
    return [to_input(image, preprocessing) for image in levels]


def air_image(preprocessing: Preprocessing) -> ModelInput:
    """Make a model input (1, H, W, C) that shows nothing but air: the window's low end."""
    levels = np.full(preprocessing.size, outside(preprocessing), preprocessing.level_type)
    return to_input(levels, preprocessing)


def evenly_spaced(items: Sequence[Item], count: int) -> list[Item]:
    """Return ``count`` of the items at most, evenly spaced, the first and the last included.

    Parameters
    ----------
    items
        At least one.
    count
        How many are taken, or all if there are fewer.
    """
    places = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[index] for index in places.tolist()]


def _flaw(levels: Sequence[Grey]) -> str | None:
    """Say why all slices together are useless, or None; single slices may be empty."""
    lowest, highest = min(map(np.min, levels)), max(map(np.max, levels))
    if lowest == highest == 0:
        return "are all black"
    if lowest == highest == _HIGHEST:
        return "are all white"
    if max(int(np.ptp(grey)) for grey in levels) < _LEAST_CONTRAST:
        return f"show next to nothing (grey {lowest} to {highest} of {_HIGHEST})"
    inside = np.mean([np.mean((grey > 0) & (grey < _HIGHEST)) for grey in levels])
    return "are all but black and white" if inside < _LEAST_GREY else None


def _remedy(scan: Slices, indices: Sequence[int], window: tuple[float, float]) -> str:
    """Say which values the slices have and which they should have."""
    if scan.windowed:
        return "give CT slices windowed to 8-bit grey, not masks"
    slices = [scan.slice(index) for index in indices]
    lowest, highest = (
        np.min([np.min(pixels) for pixels in slices]),
        np.max([np.max(pixels) for pixels in slices]),
    )
    low, high = window
    return (
        f"its values run from {lowest:g} to {highest:g} where the window is {low:g} to {high:g} "
        f"HU; give a CT in HU, or another {field_name('window')}"
    )
