"""Which format a scan on disk has, and the reader of each."""

from pathlib import Path

from edgeseg.errors import UsageError, VolumeError, field_name
from edgeseg.imaging.dicom.extra import need_dicom
from edgeseg.imaging.dicom.files import ZIP, is_dicom
from edgeseg.imaging.nifti import NIFTI, read_volume
from edgeseg.imaging.png import PICTURE, has_pictures, read_pictures
from edgeseg.imaging.scan import Scan
from edgeseg.text.suggestions import near_path

_READABLE = "give a NIfTI, 8-bit PNG slices, or DICOM (a folder, .zip or file)"


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
        from edgeseg.imaging.dicom.scan import read_dicom

        return read_dicom(path, series)
    if series is not None:
        raise UsageError(f"{field_name('series')} is for DICOM, and {path} is none")
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
