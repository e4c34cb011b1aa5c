"""Pixels of DICOM slices, decoded and turned into HU."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID

from edgeseg.errors import UsageError, VolumeError
from edgeseg.imaging.dicom.codestreams import stated_size
from edgeseg.imaging.dicom.files import reading
from edgeseg.imaging.dicom.header import read_pixels
from edgeseg.imaging.dicom.plane import Plane, Rescale
from edgeseg.imaging.nifti import AIR

_REMEDIES = {
    "1.2.840.10008.1.2.4.51": "pylibjpeg pylibjpeg-libjpeg",
    "1.2.840.10008.1.2.4.57": "python-gdcm",
    "1.2.840.10008.1.2.4.70": "python-gdcm",
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.201": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.202": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.203": "pylibjpeg pylibjpeg-openjpeg",
}
"""Packages that decode transfer syntaxes which the extra's own packages do not everywhere."""

_ONLY = {"1.2.840.10008.1.2.4.51": "pylibjpeg"}
"""Others decode it too, but not with the 12 bits of CT."""


def check_decoders(planes: Sequence[Plane]) -> None:
    """Refuse a series that nothing installed can decode, before any pixel is read.

    Raises
    ------
    UsageError
        It names the compression and the package that decodes it.
    """
    for syntax in {plane.image.header.file_meta.TransferSyntaxUID for plane in planes}:
        if not _decodable(syntax):
            remedy = _REMEDIES.get(syntax)
            todo = f"pip install {remedy}" if remedy else "export the series uncompressed"
            raise UsageError(f"nothing installed decodes {syntax.name}; {todo}")


def stored_pixels(planes: Sequence[Plane]) -> Iterator[NDArray[Any]]:
    """Yield the stored values of slices, (rows, columns), in their order; a file is read once.

    Raises
    ------
    VolumeError
        If pixels are missing, truncated or damaged.
    """
    for image, group in groupby(planes, key=lambda plane: plane.image):
        members = list(group)
        dataset = read_pixels(image)
        with reading(image.entry.name):
            if "PixelData" not in dataset:
                raise VolumeError(f"{image.entry.name} has no pixels; copy it again")
            _check_compressed(dataset, members[0])
            frames = [plane.frame for plane in members]
            for plane, frame in zip(members, iter_pixels(dataset, indices=frames), strict=True):
                if frame.shape != plane.size:
                    raise VolumeError(f"{image.entry.name} is no grey image; choose CT slices")
                yield frame


def to_hounsfield(stored: NDArray[Any], rescale: Rescale) -> NDArray[np.float64]:
    """Turn stored values into HU; padding becomes air."""
    values = stored * rescale.slope + rescale.intercept
    if rescale.padding is not None:
        low, high = rescale.padding
        values[(stored >= low) & (stored <= high)] = AIR
    return np.asarray(values, np.float64)


def _check_compressed(dataset: Dataset, plane: Plane) -> None:
    """Refuse compressed pictures of another size than the header's, before they are decoded."""
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    frames = int(dataset.get("NumberOfFrames") or 1)
    wanted = (*plane.size, int(dataset.get("SamplesPerPixel") or 1))
    names = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")
    offsets = tuple(dataset[name].value for name in names if name in dataset)
    streams = generate_frames(
        dataset.PixelData, number_of_frames=frames, extended_offsets=offsets or None
    )
    for stream in streams:
        stated = stated_size(stream)
        if stated is not None and stated != wanted:
            raise VolumeError(
                f"{plane.image.entry.name} holds a compressed picture of {stated.rows} x "
                f"{stated.cols} pixels, and its header says {plane.size[0]} x {plane.size[1]}; "
                "export the series again"
            )


def _decodable(syntax: UID) -> bool:
    if syntax.name == syntax:  # no syntax that anybody knows
        return False
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        return False
    only = _ONLY.get(syntax)
    return decoder.is_available and (only is None or only in decoder.available_plugins)
