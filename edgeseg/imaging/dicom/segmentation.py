"""Masks as a DICOM segmentation that viewers lay over the series they were made from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation as Seg
from highdicom.seg import SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from PIL import ImageColor
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.bundle.manifest import Label
from edgeseg.errors import VolumeError, field_name
from edgeseg.files.atomic import atomic_path
from edgeseg.imaging.dicom.codes import meaning_of
from edgeseg.imaging.dicom.files import lenient
from edgeseg.imaging.dicom.scan import DicomScan, stored_masks
from edgeseg.imaging.slices import Mask
from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg.version import __version__

MAKER = "edgeseg"
_LONGEST = 64
"""Characters of a description in DICOM."""

_SERIES_NUMBERS = 1000
"""Results stand behind the series they come from."""

_SEXES = {"M", "F", "O"}
_MADE_UP = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
_EMPTY_ALLOWED = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"),
)


def lost_identity(scan: DicomScan) -> str | None:
    """Return a warning where an anonymised series lacks the UIDs by which viewers match results."""
    lost = [name for name in _MADE_UP if not scan.planes[0].image.header.get(name)]
    if not lost:
        return None
    return (
        f"the series has lost its {', '.join(lost)}: the segmentation has made-up ones, and "
        "viewers will not find its images by themselves"
    )


def check_series(scan: DicomScan, bundle: Bundle) -> None:
    """Make an empty segmentation, to see that the series' headers allow one.

    Raises
    ------
    VolumeError
        If they do not, such as for a malformed date or an unknown character set.
    """
    sources = _sources(scan)[:1]
    frames = int(sources[0].get("NumberOfFrames") or 1)
    try:
        _segmentation(sources, np.zeros((frames, *scan.planes[0].size), np.uint8), bundle)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise VolumeError(
            f"{scan.path} has patient or study elements that allow no DICOM segmentation; leave "
            f"{field_name('dicom_seg')} out, or export the series again"
        ) from error


def write_segmentation(path: Path, scan: DicomScan, masks: Sequence[Mask], bundle: Bundle) -> None:
    """Write masks as a binary DICOM segmentation, one segment a label of the bundle.

    Slices without any label are left out, unless all are without: an empty mask is a result too.

    Parameters
    ----------
    masks
        One a slice, (rows, columns), as for :meth:`edgeseg.imaging.scan.Scan.write`.

    Raises
    ------
    OutputError
        If it can't be written; nothing half-written is left.
    """
    numbered = _numbered(stored_masks(scan, masks), bundle.manifest.labels)
    segmentation = _segmentation(_sources(scan), _in_source_order(scan, numbered), bundle)
    with lenient(), atomic_path(path) as target:
        segmentation.save_as(target)


def _segmentation(sources: list[Dataset], frames: NDArray[np.uint8], bundle: Bundle) -> Seg:
    """Return the segmentation of frames of segment numbers, one for each source frame."""
    with lenient():
        return Seg(
            source_images=sources,
            pixel_array=frames,
            segmentation_type=SegmentationTypeValues.BINARY,
            segment_descriptions=_segments(bundle),
            series_instance_uid=generate_uid(),
            series_number=_SERIES_NUMBERS + int(sources[0].get("SeriesNumber") or 0),
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer=MAKER,
            manufacturer_model_name=MAKER,
            software_versions=__version__,
            device_serial_number=bundle.sha256,
            content_label="EDGESEG",
            content_description=RESEARCH_NOTE,
            series_description=f"{MAKER} {bundle.manifest.model_name}"[:_LONGEST],
            omit_empty_frames=bool(frames.any()),
        )


def _segments(bundle: Bundle) -> list[SegmentDescription]:
    labels = bundle.manifest.labels
    names = tuple(label.name for label in labels)
    algorithm = AlgorithmIdentificationSequence(
        name=f"{MAKER} {bundle.manifest.model_name}"[:_LONGEST],
        family=codes.cid7162.ArtificialIntelligence,
        version=__version__,
        source=MAKER,
        parameters={
            "bundle_sha256": bundle.sha256,
            "model_sha256": bundle.manifest.model_sha256,
        },
    )
    segments = []
    for number, label in enumerate(labels, start=1):
        meaning = meaning_of(label.name, names)
        segments.append(
            SegmentDescription(
                segment_number=number,
                segment_label=label.name[:_LONGEST],
                segmented_property_category=meaning.category,
                segmented_property_type=meaning.type,
                algorithm_type="AUTOMATIC",
                algorithm_identification=algorithm,
                anatomic_regions=None if meaning.region is None else [meaning.region],
                display_color=CIELabColor.from_rgb(*ImageColor.getrgb(label.color)[:3]),
            )
        )
    return segments


def _numbered(stored: NDArray[np.uint8], labels: Sequence[Label]) -> NDArray[np.uint8]:
    """Turn label values into segment numbers, which count from 1."""
    numbers = np.zeros(2**8, np.uint8)
    for number, label in enumerate(labels, start=1):
        numbers[label.value] = number
    return numbers[stored]


def _in_source_order(scan: DicomScan, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a frame for each frame of the source where that is one file of many frames."""
    header = scan.planes[0].image.header
    if "PerFrameFunctionalGroupsSequence" not in header:
        return stored
    frames = np.zeros((int(header.NumberOfFrames), *stored.shape[1:]), np.uint8)
    frames[[plane.frame for plane in scan.planes]] = stored
    return frames


def _sources(scan: DicomScan) -> list[Dataset]:
    """Return the headers of the source's files, each once, with all that a result must bear."""
    headers = {id(plane.image): plane.image.header for plane in scan.planes}
    return [_complete(header, scan.spacing[0]) for header in headers.values()]


def _complete(header: Dataset, slice_mm: float) -> Dataset:
    """Fill in what the header leaves out: the same in every file of a series."""
    source = Dataset()
    source.update(header)
    source.file_meta = header.file_meta
    if not source.get("SliceThickness"):
        _set(source, "SliceThickness", slice_mm)
    for name in _EMPTY_ALLOWED:
        if name not in source:
            _set(source, name, "")
    if source.PatientSex not in _SEXES:
        _set(source, "PatientSex", "")
    seed = [str(source.get(name) or "") for name in ("FrameOfReferenceUID", "SeriesDescription")]
    for name in _MADE_UP:
        if not source.get(name):
            _set(source, name, generate_uid(entropy_srcs=[name, *seed]))
    return source


def _set(source: Dataset, keyword: str, value: str | float) -> None:
    """Add an element anew: changing the present one would change the scan's own header."""
    source.add_new(keyword, dictionary_VR(keyword), value)
