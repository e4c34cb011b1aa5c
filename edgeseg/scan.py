"""A scan, whatever it is stored as: slices in display orientation that come one by one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgeseg.dicom.extra import need_dicom
from edgeseg.dicom.files import ZIP, is_dicom
from edgeseg.errors import UsageError, VolumeError
from edgeseg.pictures import PICTURE, has_pictures, read_pictures
from edgeseg.slices import Grey, Hounsfield, Mask, SliceGeometry
from edgeseg.suggest import near_path
from edgeseg.volume import NIFTI, read_volume

_READABLE = "give a NIfTI, 8-bit PNG slices, or DICOM (a folder, .zip or file)"


class Slices(Protocol):
    """Slices of one patient, from feet to head, as a radiological display shows them.

    Rows run from anterior to posterior, columns from the patient's right to the left.
    """

    @property
    def windowed(self) -> bool:
        """Whether the slices are 8-bit pictures that have been windowed already, not HU."""

    def __len__(self) -> int:
        """Return the number of slices."""

    def slice(self, index: int) -> Hounsfield | Grey:
        """Return one slice, (rows, columns)."""

    def geometry(self, index: int) -> SliceGeometry:
        """Return size and spacing of one slice."""


class Scan(Slices, Protocol):
    """Slices that come from a file, and masks that go back the way they came."""

    @property
    def to_file(self) -> NDArray[np.float64]:
        """4x4 matrix from (slice, row, column) to the voxel indices of the stored file."""

    @property
    def affine(self) -> NDArray[np.float64] | None:
        """4x4 matrix from the file's voxel indices to RAS+ mm, or None for pictures."""

    @property
    def warning(self) -> str | None:
        """What the user should know about the scan, in one line, or None."""

    def name(self, index: int) -> str:
        """Return what to call one slice: its number as the stored file counts, or its file."""

    def check_output(self, output: Path) -> None:
        """Refuse early an output that :meth:`write` could not write."""

    def write(self, output: Path, masks: Sequence[Mask]) -> None:
        """Write one mask a slice as the scan is stored: in its format and geometry."""


def read_scan(path: Path, series: str | None = None) -> Scan:
    """Read a NIfTI volume, one 8-bit PNG slice, a folder of them, or a DICOM series.

    Parameters
    ----------
    path
        DICOM comes as a folder (with all that is below it), a .zip, or one file.
    series
        Which DICOM series, where there are several: its number, UID, or a part of its
        description.

    Raises
    ------
    VolumeError
        If it is none of these or can't be used.
    UsageError
        If a series must be chosen, or is chosen of what is no DICOM; or DICOM's extra is missing.
    """
    if not path.exists():
        raise VolumeError(f"{path} does not exist; {_READABLE}{near_path(path)}")
    if _holds_dicom(path):
        need_dicom()
        from edgeseg.dicom.scan import read_dicom

        return read_dicom(path, series)
    if series is not None:
        raise UsageError(f"--series is for DICOM, and {path} is none")
    if path.is_dir() or path.suffix.lower() == PICTURE:
        return read_pictures(path)
    if not path.name.lower().endswith(NIFTI):
        raise VolumeError(f"{path} is no scan; {_READABLE}")
    return read_volume(path)


def _holds_dicom(path: Path) -> bool:
    """Tell whether a path is to be read as DICOM; a zip can hold nothing else."""
    if path.suffix.lower() == ZIP and path.is_file():
        return True
    if not is_dicom(path):
        return False
    if path.is_dir() and has_pictures(path):
        raise VolumeError(f"{path} holds DICOM and PNG slices; give a folder with one of them")
    return True
