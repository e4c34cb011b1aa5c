"""Slices that a series holds several times at one place: copies, or phases that differ."""

from collections.abc import Sequence

import numpy as np

from edgeseg.errors import VolumeError
from edgeseg.imaging.dicom.pixels import stored_pixels
from edgeseg.imaging.dicom.plane import Plane

_TELLING = {
    "AcquisitionNumber": "acquisitions",
    "TemporalPositionIdentifier": "phases",
    "ConvolutionKernel": "kernels",
}


def without_doubles(groups: Sequence[Sequence[Plane]]) -> tuple[Plane, ...]:
    """Keep one slice of those at one height; they must be copies of each other.

    Parameters
    ----------
    groups
        Slices by height, see :func:`edgeseg.imaging.dicom.stack.by_height`.

    Raises
    ------
    VolumeError
        If slices at one height differ: which of them is meant is not for a program to guess.
    """
    for group in groups:
        if len(group) > 1 and not _alike(group):
            several = sum(len(one) > 1 for one in groups)
            raise VolumeError(
                f"{several} positions show several different images{_told(group)}, as where "
                "phases share a series; export one of them"
            )
    return tuple(group[0] for group in groups)


def _alike(group: Sequence[Plane]) -> bool:
    first, *others = group
    pixels = stored_pixels(group)
    shown = next(pixels)
    return all(
        np.array_equal(plane.position, first.position)
        and plane.rescale.slope == first.rescale.slope
        and plane.rescale.intercept == first.rescale.intercept
        and np.array_equal(next(pixels), shown)
        for plane in others
    )


def _told(group: Sequence[Plane]) -> str:
    """Name what tells them apart, as far as the headers say."""
    for keyword, word in _TELLING.items():
        values = {str(plane.image.header.get(keyword) or "") for plane in group} - {""}
        if len(values) > 1:
            return f" ({word} {' and '.join(sorted(values))})"
    numbers = " and ".join(str(plane.number) for plane in group)
    return f" (images {numbers} at {group[0].height:.4g} mm)"
