"""Headers of DICOM files, read without pixels, and the kind of object each describes."""

from dataclasses import dataclass
from typing import Final

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    MediaStorageDirectoryStorage,
)

from edgeseg.errors import VolumeError
from edgeseg.imaging.dicom.files import DicomFile, reading

CT = "CT"
LOCALIZER = "localizer"
CAPTURE = "secondary capture"

_PATIENT_AND_STUDY = (
    *("SpecificCharacterSet", "PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "StudyDescription"),
    *("AccessionNumber", "ReferringPhysicianName"),
)
"""Never shown; a segmentation must bear them to be filed with its images."""

_SERIES_AND_IMAGE = (
    *("Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "ImageType"),
    *("SOPClassUID", "SOPInstanceUID", "InstanceNumber", "NumberOfFrames"),
    *("AcquisitionNumber", "TemporalPositionIdentifier", "ConvolutionKernel"),
    *("FrameOfReferenceUID", "PositionReferenceIndicator"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    *("SliceThickness", "SpacingBetweenSlices", "Rows", "Columns"),
    *("SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation"),
    *("RescaleSlope", "RescaleIntercept", "RescaleType"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("DimensionOrganizationSequence", "DimensionIndexSequence"),
)
_TAGS: Final = [*_PATIENT_AND_STUDY, *_SERIES_AND_IMAGE]

_CT_CLASSES = {CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage}
_CAPTURE_CLASSES = "1.2.840.10008.5.1.4.1.1.7"
_LOCALIZER_TYPES = {"LOCALIZER", "SCOUT"}
_SCREEN = "SCREEN SAVE"
_MODALITIES = {
    "PT": "PET",
    "SEG": "segmentation",
    "SR": "structured report",
    "PR": "presentation state",
    "KO": "key object selection",
    "RTSTRUCT": "RT structure set",
    "RTDOSE": "RT dose",
    "RTPLAN": "RT plan",
}


@dataclass(frozen=True, eq=False)
class DicomImage:
    """A DICOM object that may be an image: where it is, its header without pixels, its kind."""

    entry: DicomFile
    header: Dataset
    kind: str


def read_image(entry: DicomFile) -> DicomImage | None:
    """Return the header of a file, or None where it has none or is an index of other files.

    Raises
    ------
    VolumeError
        If the file is damaged.
    """
    header = read_dataset(entry, pixels=False)
    with reading(entry.name):
        return _image(entry, header)


def _image(entry: DicomFile, header: Dataset) -> DicomImage | None:
    meta = header.file_meta
    if meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        return None
    # Where a file was made anonymous its identity may be left in its first group alone.
    for name in ("SOPClassUID", "SOPInstanceUID"):
        if not header.get(name):
            header[name] = pydicom.DataElement(name, "UI", meta.get(f"MediaStorage{name}", ""))
    kind = kind_of(header)
    if not kind and not entry.whole:
        return None
    # pydicom takes the end of a file cut short for the end of its header.
    if not kind or (kind == CT and not (header.get("Rows") and header.get("Columns"))):
        raise VolumeError(f"{entry.name} is cut short or damaged; copy it again")
    return DicomImage(entry, header, kind)


def read_dataset(entry: DicomFile, *, pixels: bool) -> Dataset:
    """Read a DICOM file: all of it, or without pixels the elements that are used here.

    Raises
    ------
    VolumeError
        If it is damaged.
    """
    with reading(entry.name), entry.open() as file:
        dataset = pydicom.dcmread(
            file,
            stop_before_pixels=not pixels,
            specific_tags=None if pixels else _TAGS,
            force=not entry.whole,
        )
        if not hasattr(dataset, "file_meta"):
            dataset.file_meta = FileMetaDataset()
        if not dataset.file_meta.get("TransferSyntaxUID"):
            dataset.file_meta.TransferSyntaxUID = _uncompressed(dataset)
        if not pixels:
            _parse(dataset)
    return dataset


def kind_of(header: Dataset) -> str:
    """Return the kind of an object, such as CT or localizer; empty where the header has none."""
    types = {str(word).upper() for word in header.get("ImageType") or ()}
    modality = str(header.get("Modality") or "").upper()
    of_class = UID(header.get("SOPClassUID") or "")
    if of_class == _CAPTURE_CLASSES or of_class.startswith(f"{_CAPTURE_CLASSES}."):
        return CAPTURE
    if modality != CT or (of_class and of_class not in _CT_CLASSES):
        return _MODALITIES.get(modality, modality if modality != CT else of_class.name)
    if types & _LOCALIZER_TYPES:
        return LOCALIZER
    colours = int(header.get("SamplesPerPixel") or 1) > 1
    return CAPTURE if colours or _SCREEN in types else CT


def _parse(header: Dataset) -> None:
    """Convert all elements now; pydicom would do it on first access."""
    for _ in header:
        pass


def _uncompressed(dataset: Dataset) -> UID:
    """Return the transfer syntax that a bare data set was read by."""
    implicit, little = dataset.original_encoding
    if not little:
        return pydicom.uid.ExplicitVRBigEndian
    return pydicom.uid.ImplicitVRLittleEndian if implicit else pydicom.uid.ExplicitVRLittleEndian
