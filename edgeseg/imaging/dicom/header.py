"""Headers of DICOM files, read without pixels, and the kind of object each describes."""

from contextlib import suppress
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
from edgeseg.imaging.dicom.files import HEAD_BYTES, DicomFile, reading
from edgeseg.imaging.dicom.parsing import MAX_HEADER_BYTES, parse, read_file_meta

CT = "CT"
LOCALIZER = "localizer"
CAPTURE = "secondary capture"
UNKNOWN = "image of unknown modality"

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
    *("ModalityLUTSequence", "DirectoryRecordSequence"),
    *("SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation"),
    *("BitsAllocated", "RescaleSlope", "RescaleIntercept", "RescaleType"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("DimensionOrganizationSequence", "DimensionIndexSequence"),
)
_TAGS: Final[list[str]] = [*_PATIENT_AND_STUDY, *_SERIES_AND_IMAGE]
_PIXEL_TAGS: Final[list[str]] = [
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PlanarConfiguration"),
    *("PhotometricInterpretation", "PixelRepresentation", "BitsAllocated", "BitsStored"),
    *("HighBit", "PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
]
MAX_SLICE_PIXELS = 2**24
"""4096 x 4096; no CT is reconstructed finer than 2048 x 2048."""

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

    What is damaged and says itself that it is no CT has a kind, but an empty header.

    Raises
    ------
    VolumeError
        If the file is damaged and may be CT.
    """
    try:
        header = read_header(entry)
        with reading(entry.name):
            return _image(entry, header)
    except VolumeError:
        kind = _kind_of_damaged(entry)
        if kind is None:
            raise
        return DicomImage(entry, Dataset(), kind)


def _kind_of_damaged(entry: DicomFile) -> str | None:
    """Return the kind of a damaged file by its first elements, or None if it may be CT."""
    with suppress(VolumeError), reading(entry.name), entry.open() as file:
        file.seek(HEAD_BYTES if entry.whole else 0)
        uid = UID(read_file_meta(file).get("MediaStorageSOPClassUID") or "")
        if uid.is_valid and uid.name != uid and uid not in _CT_CLASSES:
            return f"damaged {uid.name.removesuffix(' Storage')}"
    return None


def _image(entry: DicomFile, header: Dataset) -> DicomImage | None:
    meta = header.file_meta
    of_file = meta.get("MediaStorageSOPClassUID")
    if of_file == MediaStorageDirectoryStorage or "DirectoryRecordSequence" in header:
        return None
    # Where a file was made anonymous its identity may be left in its first group alone.
    for name in ("SOPClassUID", "SOPInstanceUID"):
        if not header.get(name):
            header[name] = pydicom.DataElement(name, "UI", meta.get(f"MediaStorage{name}", ""))
    kind = kind_of(header)
    if not kind and not entry.whole:
        return None
    if not kind and header.get("ImagePositionPatient"):
        kind = UNKNOWN
    # pydicom takes the end of a file cut short for the end of its header.
    if not kind or (kind == CT and not (header.get("Rows") and header.get("Columns"))):
        raise VolumeError(f"{entry.name} is cut short or damaged; copy it again")
    if kind == CT and int(header.Rows) * int(header.Columns) > MAX_SLICE_PIXELS:
        raise VolumeError(
            f"{entry.name} states {header.Rows} x {header.Columns} pixels, more than any CT has; "
            "it is damaged or made to do harm"
        )
    return DicomImage(entry, header, kind)


def read_header(entry: DicomFile) -> Dataset:
    """Read the elements of a DICOM file that are used here, but for its pixels.

    Raises
    ------
    VolumeError
        If it is damaged.
    """
    with reading(entry.name):
        header = _with_syntax(parse(entry, MAX_HEADER_BYTES, tags=_TAGS, pixels=False))
        _parse(header)
    return header


def read_pixels(image: DicomImage) -> Dataset:
    """Read the pixels of a DICOM file, with what it takes to decode them.

    Raises
    ------
    VolumeError
        If it is damaged, or holds more than its header accounts for.
    """
    header, entry = image.header, image.entry
    with reading(entry.name):
        samples = int(header.get("SamplesPerPixel") or 1) * int(header.get("NumberOfFrames") or 1)
        pixels = int(header.Rows) * int(header.Columns) * samples
        # Compression makes noise a little larger at times.
        limit = 2 * pixels * -(-int(header.get("BitsAllocated") or 16) // 8) + MAX_HEADER_BYTES
        return _with_syntax(parse(entry, limit, tags=_PIXEL_TAGS, pixels=True))


def _with_syntax(dataset: Dataset) -> Dataset:
    """Give a data set without its own transfer syntax the one that it was read by."""
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = FileMetaDataset()
    if not dataset.file_meta.get("TransferSyntaxUID"):
        dataset.file_meta.TransferSyntaxUID = _uncompressed(dataset)
    return dataset


def kind_of(header: Dataset) -> str:
    """Return the kind of an object, such as CT or localizer; empty where the header has none."""
    types = {str(word).upper() for word in header.get("ImageType") or ()}
    of_class = UID(header.get("SOPClassUID") or "")
    modality = str(header.get("Modality") or "").strip().upper()
    if not modality:
        # Made anonymous: the class of the object tells as much.
        modality = CT if of_class in _CT_CLASSES else of_class.name
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
