"""Slices in the order of their positions, checked to lie on one regular grid.

Positions are DICOM's, LPS in mm; the affine is NIfTI's, RAS in mm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import VolumeError
from edgeseg.imaging.dicom.plane import Plane

SAME_MM = 0.01
"""Slices nearer than this lie at one place."""

_ROUNDING_MM = 0.1
"""By how much a distance along an axis is off where both positions are rounded to tenths."""

_UNEVEN = 0.05
_THICKER = 1.5
"""Slices so many times as thick as usual belong to another reconstruction."""

_STRETCH = 3
"""So many wide gaps in a row are no loss of single slices."""

_PARALLEL = 1e-3
_TILT_DEGREES = 0.1
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_NAMED = 3


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices at even distances.

    Attributes
    ----------
    planes
        In the order of their positions along the normal.
    affine
        4x4, from (column, row, slice) to RAS+ mm; a tilted gantry's shear is in it.
    tilt
        Degrees by which slices are shifted against each other, as by a tilted gantry.
    """

    planes: tuple[Plane, ...]
    affine: NDArray[np.float64]
    tilt: float


def unlike(planes: Sequence[Plane]) -> str | None:
    """Return how slices differ that can't be one volume, or None if they can."""
    sizes = sorted({plane.size for plane in planes})
    if len(sizes) > 1:
        return f"images of {_in_words(sizes)} pixels"
    spacings = np.array([plane.spacing for plane in planes])
    if np.ptp(spacings, axis=0).max() > _PARALLEL * spacings.max():
        low, high = spacings.min(), spacings.max()
        return f"pixels of {low:.4g} to {high:.4g} mm"
    directions = np.array([plane.directions for plane in planes])
    if np.ptp(directions, axis=0).max() > _PARALLEL:
        return "images of several orientations"
    frames = {plane.image.header.get("FrameOfReferenceUID") for plane in planes}
    return "images of several positionings of the patient" if len(frames) > 1 else None


def by_height(planes: Sequence[Plane]) -> list[list[Plane]]:
    """Return slices in groups of equal height, sorted along their normal."""
    groups: list[list[Plane]] = []
    for plane in sorted(planes, key=lambda plane: plane.height):
        if groups and plane.height - groups[-1][0].height < SAME_MM:
            groups[-1].append(plane)
        else:
            groups.append([plane])
    return groups


def spacing_mm(planes: Sequence[Plane]) -> float | None:
    """Return the median distance of slices in mm, or None where it is unknown."""
    heights = np.array([group[0].height for group in by_height(planes)])
    if len(heights) > 1:
        return float(np.median(np.diff(heights)))
    return planes[0].thickness


def stack(planes: Sequence[Plane]) -> Stack:
    """Return the grid of slices that are sorted and lie at different heights.

    Raises
    ------
    VolumeError
        If slices are missing, or do not lie at even distances on a line; it says where.
    """
    first = planes[0]
    step = first.normal * (first.thickness or 1.0)
    if len(planes) > 1:
        _check_even(planes)
        step = (planes[-1].position - first.position) / (len(planes) - 1)
        _check_straight(planes, step)
    affine = np.eye(4)
    affine[:3, 0] = first.directions[0] * first.spacing[1]
    affine[:3, 1] = first.directions[1] * first.spacing[0]
    affine[:3, 2], affine[:3, 3] = step, first.position
    along = float(step @ first.normal)
    aside = float(np.linalg.norm(step - along * first.normal))
    tilt = float(np.degrees(np.arctan2(aside, along)))
    return Stack(tuple(planes), _TO_RAS @ affine, tilt if tilt > _TILT_DEGREES else 0.0)


def _check_even(planes: Sequence[Plane]) -> None:
    gaps = np.diff([plane.height for plane in planes])
    # All three coordinates may be rounded.
    rounding = _ROUNDING_MM * float(np.abs(planes[0].normal).sum())
    median = float(np.median(gaps))
    # The mean of many rounded gaps is not rounded, as their median is.
    usual = float(gaps[np.abs(gaps - median) <= 2 * rounding].mean())
    wrong = np.flatnonzero(np.abs(gaps - usual) > rounding + _UNEVEN * usual)
    if wrong.size:
        raise VolumeError(_uneven(planes, gaps, usual, wrong))


def _uneven(
    planes: Sequence[Plane], gaps: NDArray[np.float64], usual: float, wrong: NDArray[np.intp]
) -> str:
    """Return what is wrong with some of the gaps: slices are thicker there, missing, or uneven."""
    pairs = [(planes[index], planes[index + 1]) for index in wrong]
    where = ", ".join(_between(*pair) for pair in pairs[:_NAMED])
    where += " and elsewhere" if wrong.size > _NAMED else ""
    usual_thickness = float(np.median([plane.thickness or 0.0 for plane in planes]))
    thickest = max(plane.thickness or 0.0 for pair in pairs for plane in pair)
    if usual_thickness and thickest >= _THICKER * usual_thickness:
        return (
            f"slices are {usual_thickness:.4g} mm thick, but {thickest:.4g} mm {where}; choose a "
            "series of one thickness"
        )
    missing = [round(gaps[index] / usual) - 1 for index in wrong]
    if min(missing) > 0 and _longest_run(wrong) < _STRETCH:
        lost = "a slice is" if sum(missing) == 1 else f"{sum(missing)} slices are"
        return f"{lost} missing {where}; export the series again"
    return (
        f"slices lie {usual:.4g} mm apart, but {gaps[wrong[0]]:.4g} mm {where}; choose a series "
        "of even slices, or export this one again"
    )


def _longest_run(indices: NDArray[np.intp]) -> int:
    """Return how many indices at most follow each other without a gap."""
    runs = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    return max(map(len, runs))


def _check_straight(planes: Sequence[Plane], step: NDArray[np.float64]) -> None:
    """Refuse slices that lie off the line from the first to the last."""
    on_line = planes[0].position + np.outer(np.arange(len(planes)), step)
    apart = np.linalg.norm([plane.position for plane in planes] - on_line, axis=1)
    worst = int(np.argmax(apart))
    if apart[worst] > max(_ROUNDING_MM * np.sqrt(3), float(np.linalg.norm(step)) / 2):
        raise VolumeError(
            f"image {planes[worst].number} lies {apart[worst]:.3g} mm beside the line of the "
            "others; choose a series of even slices"
        )


def _between(lower: Plane, upper: Plane) -> str:
    return (
        f"between images {lower.number} and {upper.number} "
        f"({lower.height:.4g} and {upper.height:.4g} mm)"
    )


def _in_words(sizes: Sequence[tuple[int, int]]) -> str:
    return " and ".join(f"{rows} x {cols}" for rows, cols in sizes)
