"""The DICOM segmentation that is written beside a mask, and checked before any work."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import UsageError, field_name
from edgeseg.files.atomic import check_writable
from edgeseg.imaging.dicom.extra import need_dicom
from edgeseg.imaging.scan import Scan
from edgeseg.imaging.slices import Mask

if TYPE_CHECKING:
    from edgeseg.imaging.dicom.scan import DicomScan


def check_dicom_seg(path: Path, scan: Scan, bundle: Bundle) -> str | None:
    """Refuse early a segmentation that could not be written.

    Returns
    -------
    str or None
        A warning in one line, or None.

    Raises
    ------
    UsageError
        If the scan is no DICOM, the file is one of its images, or the extra is not installed.
    VolumeError
        If the series' headers allow none.
    OutputError
        If it can't be written.
    """
    series = _series(scan)
    images = {series.path / plane.image.entry.name for plane in series.planes}
    if path.resolve() in {image.resolve() for image in (*images, series.path)}:
        raise UsageError(f"{path} is one of the input's images; write the segmentation elsewhere")
    check_writable(path)
    from edgeseg.imaging.dicom.segmentation import check_series
    from edgeseg.imaging.dicom.source_headers import lost_identity

    check_series(series, bundle)
    return lost_identity(series)


def write_dicom_seg(path: Path, scan: Scan, masks: Sequence[Mask], bundle: Bundle) -> None:
    """Write masks as a DICOM segmentation of the series they were made from.

    Raises
    ------
    OutputError
        If it can't be written; nothing half-written is left.
    """
    from edgeseg.imaging.dicom.segmentation import write_segmentation

    write_segmentation(path, _series(scan), masks, bundle)


def _series(scan: Scan) -> "DicomScan":
    need_dicom()
    from edgeseg.imaging.dicom.scan import DicomScan

    if not isinstance(scan, DicomScan):
        raise UsageError(
            f"{field_name('dicom_seg')} is for DICOM input: it names the images it was made from"
        )
    return scan
