"""The formats of scans, in one table; a scan is read in the one that its path matches.

A format is added by a file that reads it and a row of :data:`BUILT_IN`. A package of its own
registers its :class:`~edgeseg.imaging.scan_format.ScanFormat` as an entry point of the group
``edgeseg.scan_formats``.
"""

from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

from edgeseg.errors import EdgesegError, UsageError, VolumeError, field_name
from edgeseg.imaging.dicom.choice import parse_choice
from edgeseg.imaging.dicom.extra import need_dicom
from edgeseg.imaging.dicom.files import DCM, is_dicom, zips_in
from edgeseg.imaging.nifti import read_volume
from edgeseg.imaging.nifti_file import NIFTI, is_nifti
from edgeseg.imaging.png import PICTURE, read_pictures
from edgeseg.imaging.scan import Scan
from edgeseg.imaging.scan_format import Read, ScanFormat
from edgeseg.imaging.zipped import ZIP, is_zip
from edgeseg.plugins import plugins
from edgeseg.progress import Progress, silent
from edgeseg.text.suggestions import near_path

GROUP = "edgeseg.scan_formats"


def _holds_dicom(path: Path) -> bool:
    """Tell by its contents whether a path is DICOM; of a zip, unless it holds NIfTIs alone."""
    return (is_zip(path) and not is_nifti(path)) or is_dicom(path)


def _read_series(path: Path, series: str | None, progress: Progress) -> Scan:
    need_dicom()
    from edgeseg.imaging.dicom.scan import read_dicom

    return read_dicom(path, series, progress)


def _read_dicom(path: Path, progress: Progress) -> Scan:
    return _read_series(path, None, progress)


def _at_once(read: Callable[[Path], Scan]) -> Read:
    """Return a reader that is too quick to tell of its progress."""
    return lambda path, _progress: read(path)


BUILT_IN = (
    ScanFormat(
        name="NIfTI",
        offer="a NIfTI",
        read=_at_once(read_volume),
        mask_ending=".nii.gz",
        volumes=NIFTI,
        recognize=is_nifti,
    ),
    ScanFormat(
        name="PNG",
        offer="8-bit PNG slices",
        read=_at_once(read_pictures),
        mask_ending=PICTURE,
        slices=(PICTURE,),
    ),
    ScanFormat(
        name="DICOM",
        offer="DICOM (a folder, .zip or file)",
        read=_read_dicom,
        mask_ending=".nii.gz",
        volumes=(ZIP,),
        slices=(DCM,),
        recognize=_holds_dicom,
        read_series=_read_series,
    ),
)
"""A file that several rows match is of the last of them: contents tell more than a name."""


@cache
def scan_formats() -> tuple[ScanFormat, ...]:
    """Return all formats: those of other packages, then the built-in ones.

    Raises
    ------
    EdgesegError
        If a package's format can't be loaded, or two formats have a name or an ending in common.
    """
    formats = (*plugins(GROUP, ScanFormat), *BUILT_IN)
    counts = Counter(word for row in formats for word in {row.name, *row.endings})
    for word, count in counts.items():
        if count > 1:
            raise EdgesegError(f"{count} scan formats have {word!r}; remove a package of {GROUP}")
    return formats


def read_scan(path: Path, series: str | None = None, progress: Progress = silent) -> Scan:
    """Read a NIfTI volume, one 8-bit PNG slice, a folder of them, or a DICOM series.

    Other packages may add formats.

    Parameters
    ----------
    path
        DICOM comes as a folder (with all that is below it), a .zip, or one file.
    series
        Which DICOM series, where there are several: its number, UID, or a part of its
        description; and which acquisition of it, as ``acquisition=2`` alone or after a comma.
    progress
        Is told how far the reading of a DICOM series is.

    Raises
    ------
    VolumeError
        If it is of no format or can't be used.
    UsageError
        If a series must be chosen, or is chosen of what has none; or DICOM's extra is missing.
    """
    row = format_of(path)
    if series is not None and row.read_series is None:
        names = " or ".join(row.name for row in scan_formats() if row.read_series is not None)
        field = "acquisition" if parse_choice(series).series is None else "series"
        raise UsageError(f"{field_name(field)} is for {names}, and {path} is none")
    return row.open(path, series, progress)


def format_of(path: Path) -> ScanFormat:
    """Return the format of a scan.

    Raises
    ------
    VolumeError
        If the path does not exist, is of no format, or is a folder of several.
    """
    if not path.exists():
        raise VolumeError(f"{path} does not exist; {_readable()}{near_path(path)}")
    rows = [row for row in scan_formats() if row.matches(path)]
    if path.is_dir():
        # Beside a series that is known by its contents, other files are pictures of it.
        rows = [row for row in rows if row.recognize is not None] or rows
    if not rows:
        zips = zips_in(path) if path.is_dir() else []
        if len(zips) > 1:
            raise VolumeError(
                f"{path} holds {len(zips)} zips and no scan beside them; give one of them"
            )
        verb = "holds" if path.is_dir() else "is"
        raise VolumeError(f"{path} {verb} no scan; {_readable()}")
    if len(rows) > 1 and path.is_dir():
        names = " and ".join(row.name for row in reversed(rows))
        raise VolumeError(f"{path} holds {names} slices; give a folder with one of them")
    return rows[-1]


def _readable() -> str:
    *offers, last = (row.offer for row in scan_formats())
    return f"give {', '.join(offers)}, or {last}"
