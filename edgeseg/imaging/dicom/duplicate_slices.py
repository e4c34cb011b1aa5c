"""Slices that a series holds several times at one place: copies, or phases that differ."""

from collections.abc import Sequence

import numpy as np

from edgeseg.errors import VolumeError
from edgeseg.imaging.dicom.acquisitions import offer_of_acquisitions
from edgeseg.imaging.dicom.pixels import stored_pixels
from edgeseg.imaging.dicom.plane import Plane

_DISTINGUISHING = {
    "AcquisitionNumber": "acquisitions",
    "TemporalPositionIdentifier": "phases",
    "ConvolutionKernel": "kernels",
}


def without_duplicates(groups: Sequence[Sequence[Plane]]) -> tuple[Plane, ...]:
    """Return one slice of each height; where there are several they must be copies.

    Parameters
    ----------
    groups
        Slices by height, see :func:`edgeseg.imaging.dicom.stack.by_height`.

    Raises
    ------
    VolumeError
        If slices at one height differ: which of them is meant a program can't guess.
    """
    for group in groups:
        if len(group) > 1 and not _alike(group):
            positions = sum(len(images) > 1 for images in groups)
            remedy = offer_of_acquisitions(group) or "export one of them"
            raise VolumeError(
                f"{positions} positions show several different images{_difference(group)}, as "
                f"where phases share a series; {remedy}"
            )
    return tuple(group[0] for group in groups)


def _alike(group: Sequence[Plane]) -> bool:
    first, *copies = group
    pixels = stored_pixels(group)
    first_pixels = next(pixels)
    return all(
        np.array_equal(plane.position, first.position)
        and plane.rescale.slope == first.rescale.slope
        and plane.rescale.intercept == first.rescale.intercept
        and np.array_equal(next(pixels), first_pixels)
        for plane in copies
    )


def _difference(group: Sequence[Plane]) -> str:
    """Return how images at one height differ by their headers, else which images they are."""
    for keyword, word in _DISTINGUISHING.items():
        values = {str(plane.image.header.get(keyword) or "") for plane in group} - {""}
        if len(values) > 1:
            return f" ({word} {' and '.join(sorted(values))})"
    numbers = " and ".join(str(plane.number) for plane in group)
    return f" (images {numbers} at {group[0].height:.4g} mm)"
