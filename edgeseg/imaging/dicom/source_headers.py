"""Headers of a series as a DICOM segmentation of it needs them: complete, alike, and in Unicode."""

import re
from collections.abc import Iterable
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from edgeseg.errors import VolumeError, field_name
from edgeseg.imaging.dicom.scan import DicomScan

_UTF8 = "ISO_IR 192"
_SEXES = {"M", "F", "O"}
_OF_ONE = {"StudyInstanceUID": "studies", "PatientID": "patients"}
"""A segmentation is filed under one of each."""

_MADE_UP = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
_ALIKE = (*_MADE_UP, "ImageOrientationPatient")
"""What highdicom wants to be the same in all images; a scan allows orientations to differ a bit."""

_FRAMES, _SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"
_GEOMETRY = ("PlaneOrientationSequence", "PixelMeasuresSequence")

_NAMES = ("PatientName", "ReferringPhysicianName")
_TEXTS = (*_NAMES, "PatientID", "StudyID", "StudyDescription", "AccessionNumber")
_ESCAPE = re.compile(r"\x1b[\x20-\x2f]+[\x30-\x7e]")
"""Switches between character sets (ISO 2022); pydicom leaves those of Chinese in."""

_EMPTY_ALLOWED = (
    *("PatientID", *_NAMES, "PatientBirthDate", "PatientSex"),
    *("StudyID", "StudyDate", "StudyTime", "AccessionNumber"),
)


def lost_identity(scan: DicomScan) -> str | None:
    """Return a warning where an anonymised series lacks the UIDs by which viewers match results."""
    headers = _headers(scan)
    lost = [name for name in _MADE_UP if not _stated(headers, name)]
    if not lost:
        return None
    return (
        f"the series has lost its {', '.join(lost)}: the segmentation has made-up ones, and "
        "viewers will not find its images by themselves"
    )


def source_headers(scan: DicomScan) -> list[Dataset]:
    """Return the headers of the source's files, each once, with all that a result must bear.

    They may be changed by :func:`set_element`.

    Raises
    ------
    VolumeError
        If the images belong to several studies or patients.
    """
    headers = _headers(scan)
    for name, word in _OF_ONE.items():
        if len(_stated(headers, name)) > 1:
            raise VolumeError(
                f"{scan.path} has images of several {word}, and a DICOM segmentation is filed "
                f"under one; leave {field_name('dicom_seg')} out, or export the series again"
            )
    sources = [_copy(header) for header in headers]
    _complete(sources[0], _made_up(headers), scan.spacing[0])
    _share(sources[0], scan)
    for source in sources[1:]:
        for name in _ALIKE:
            if name in sources[0]:
                source[name] = sources[0][name]
    return sources


def _headers(scan: DicomScan) -> list[Dataset]:
    return list({id(plane.image): plane.image.header for plane in scan.planes}.values())


def _stated(headers: Iterable[Dataset], name: str) -> list[str]:
    """Return the values that headers have of an element, each once."""
    values = (str(header.get(name) or "") for header in headers)
    return [value for value in dict.fromkeys(values) if value]


def _made_up(headers: list[Dataset]) -> dict[str, str]:
    """Return the UIDs of a series; those that it has lost are the same at every run."""
    seed = [
        str(headers[0].get(name) or "") for name in ("FrameOfReferenceUID", "SeriesDescription")
    ]
    stated = {name: _stated(headers, name) for name in _MADE_UP}
    return {
        name: values[0] if values else generate_uid(entropy_srcs=[name, *seed])
        for name, values in stated.items()
    }


def _copy(header: Dataset) -> Dataset:
    copy = _copy_of(header)
    copy.file_meta = header.file_meta
    return copy


def _copy_of(dataset: Dataset) -> Dataset:
    copy = Dataset()
    copy.update(dataset)
    return copy


def _complete(source: Dataset, uids: dict[str, str], slice_mm: float) -> None:
    """Fill in what the first header leaves out, and turn its texts into Unicode."""
    for name, uid in uids.items():
        set_element(source, name, uid)
    if not source.get("SliceThickness"):
        set_element(source, "SliceThickness", slice_mm)
    for name in _EMPTY_ALLOWED:
        if name not in source:
            set_element(source, name, "")
    if source.PatientSex not in _SEXES:
        set_element(source, "PatientSex", "")
    # A name keeps the bytes that it was read from; other texts are decoded already.
    for name in _TEXTS:
        if name in source:
            set_element(source, name, _ESCAPE.sub("", str(source[name].value or "")))
    set_element(source, "SpecificCharacterSet", _UTF8)


def _share(source: Dataset, scan: DicomScan) -> None:
    """State once what a file of many frames states for each: highdicom reads it there alone."""
    if _FRAMES not in source:
        return
    shared = _copy_of((source.get(_SHARED) or [Dataset()])[0])
    frame = source[_FRAMES].value[scan.planes[0].frame]
    for name in _GEOMETRY:
        if name not in shared and name in frame:
            shared[name] = frame[name]
    set_element(source, _SHARED, Sequence([shared]))


def set_element(source: Dataset, keyword: str, value: Any) -> None:
    """Add an element anew: changing the present one would change the scan's own header, too."""
    source.add_new(keyword, dictionary_VR(keyword), value)
