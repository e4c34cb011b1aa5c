"""A DICOM series as a scan: HU in display orientation, masks as NIfTI in its geometry."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.orientations import apply_orientation
from numpy.typing import NDArray

from edgeseg.errors import EdgesegError, VolumeError
from edgeseg.imaging.dicom.acquisitions import (
    interleaved,
    of_acquisition,
    offer_of_acquisitions,
)
from edgeseg.imaging.dicom.choice import parse_choice
from edgeseg.imaging.dicom.duplicate_slices import without_duplicates
from edgeseg.imaging.dicom.files import DicomFile, dicom_entries, reading
from edgeseg.imaging.dicom.header import DicomImage, read_image
from edgeseg.imaging.dicom.pixels import check_decoders, stored_pixels, to_hounsfield
from edgeseg.imaging.dicom.plane import Plane, check_alike_rescale
from edgeseg.imaging.dicom.series import choose, group_series, left_out
from edgeseg.imaging.dicom.stack import Stack, by_height, stack, unlike
from edgeseg.imaging.grid import Grid
from edgeseg.imaging.levels import Hounsfield
from edgeseg.imaging.nifti import NiftiScan
from edgeseg.imaging.nifti_file import check_fits
from edgeseg.progress import Progress, silent

_SCANNER = 1
"""NIfTI's code for coordinates of the scanner."""

_INVERTED = "MONOCHROME1"


@dataclass(frozen=True, kw_only=True)
class DicomScan(NiftiScan):
    """A CT series in HU, in display orientation.

    Attributes
    ----------
    planes
        Its slices in the order in which the grid stores them.
    description
        What the scanner calls the series.
    """

    planes: tuple[Plane, ...]
    description: str

    def name(self, index: int) -> str:
        """Return the number that the scanner gave to one slice."""
        return f"image {self.planes[self.grid.numbers[index]].number}"


def read_dicom(path: Path, series: str | None = None, progress: Progress = silent) -> DicomScan:
    """Read a CT series from a folder, a zip or one file.

    Parameters
    ----------
    path
        Of the folder (with all that is below it), the zip, or the file.
    series
        Which series, where there are several: UID, number, or a part of the description; and
        which acquisition of it, as ``acquisition=2`` alone or after a comma.
    progress
        Is told of headers and of slices.

    Raises
    ------
    VolumeError
        If there is no CT, slices are missing, differ or are damaged.
    UsageError
        If there are several series and none is chosen, or nothing decodes its compression.
    """
    with dicom_entries(path) as entries:
        try:
            return _read(path, entries, series, progress)
        except EdgesegError as error:
            raise type(error)(f"{path}: {error}") from None


def _read(
    path: Path, entries: Sequence[DicomFile], series: str | None, progress: Progress
) -> DicomScan:
    groups = group_series(_images(entries, progress))
    if not groups:
        raise VolumeError("holds no DICOM image; give a folder or .zip with a CT series")
    choice = parse_choice(series)
    chosen = choose(groups, choice.series)
    planes = of_acquisition(chosen.planes(), choice.acquisition)
    problem = unlike(planes)
    if problem is not None:
        remedy = offer_of_acquisitions(planes) or "export them as series of their own"
        raise VolumeError(f"{chosen.title} mixes {problem}; {remedy}")
    check_alike_rescale(planes)
    check_decoders(planes)
    slices = stack(without_duplicates(by_height(planes)))
    rows, columns = slices.planes[0].size
    grid = Grid((columns, rows, len(slices.planes)), slices.affine)
    notes = (left_out(groups, chosen), *_notes(slices, len(planes)))
    return DicomScan(
        path=path,
        voxels=_voxels(slices.planes, grid, progress),
        grid=grid,
        header=_header(grid, slices),
        warning="; ".join(note for note in notes if note) or None,
        planes=slices.planes,
        description=chosen.description,
    )


def _images(entries: Sequence[DicomFile], progress: Progress) -> list[DicomImage]:
    images = []
    with progress(len(entries), "reading DICOM headers", unit="files") as advance:
        for entry in entries:
            image = read_image(entry)
            if image is not None:
                images.append(image)
            advance()
    return images


def _notes(slices: Stack, images: int) -> tuple[str | None, ...]:
    """Return what the user should know about a series, of which so many images were read."""
    duplicates, first = images - len(slices.planes), slices.planes[0]
    inverted = any(
        plane.image.header.get("PhotometricInterpretation") == _INVERTED for plane in slices.planes
    )
    unscaled = not any(plane.rescale.stated for plane in slices.planes)
    return (
        f"left out copies of slices ({duplicates})" if duplicates else None,
        f"the gantry was tilted by {slices.tilt:.1f} degrees: the mask's affine is sheared like "
        "the slices, which not every viewer shows"
        if slices.tilt
        else None,
        "the series is stored inverted (MONOCHROME1): its HU are read by its rescale alone"
        if inverted
        else None,
        "the series lacks a rescale slope or intercept: taken as 1 and 0" if unscaled else None,
        interleaved(slices.planes),
        "the slice's thickness is unknown: taken as 1 mm"
        if len(slices.planes) == 1 and first.thickness is None
        else None,
    )


def _voxels(planes: Sequence[Plane], grid: Grid, progress: Progress) -> Hounsfield:
    """Decode slice by slice into the smallest type that holds all HU."""
    whole = all(plane.rescale.whole for plane in planes)
    with reading("the series"):
        voxels: Any = np.empty(grid.extents, np.int16 if whole else np.float32)
        check_fits("the series", voxels.size, voxels.nbytes)
    # Writing through this view of the stored order fills the display order.
    stored = apply_orientation(voxels, grid.orientation)
    limits = np.iinfo(np.int16)
    with progress(len(planes), "reading DICOM slices", unit="slices") as advance:
        for index, pixels in enumerate(stored_pixels(planes)):
            values = to_hounsfield(pixels, planes[index].rescale)
            stored[:, :, index] = (np.clip(values, limits.min, limits.max) if whole else values).T
            advance()
    filled: Hounsfield = voxels
    return filled


def _header(grid: Grid, slices: Stack) -> Any:
    header: Any = nib.Nifti1Header()
    header.set_data_shape(grid.shape)
    header.set_xyzt_units("mm")
    header.set_sform(grid.affine, _SCANNER)
    # A qform can't hold shear.
    header.set_qform(None if slices.tilt else grid.affine, 0 if slices.tilt else _SCANNER)
    return header


def stored_masks(scan: DicomScan, masks: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return masks as the series stores its slices, (slices, rows, columns)."""
    labels: NDArray[np.uint8] = apply_orientation(np.stack(masks), scan.orientation)
    return labels.transpose(2, 1, 0)
