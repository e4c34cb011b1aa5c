"""Masks as a DICOM segmentation that viewers lay over the series they were made from."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation as Seg
from highdicom.seg import SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from PIL import ImageColor
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
from edgeseg.imaging.dicom.source_headers import set_element, source_headers
from edgeseg.imaging.slices import Mask
from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg.version import __version__

MAKER = "edgeseg"
_LONGEST = 64
"""Characters of a description in DICOM."""

_SERIES_NUMBERS = 1000
"""Results stand behind the series they come from."""


def check_series(scan: DicomScan, bundle: Bundle) -> None:
    """Make a segmentation of one pixel a slice, to see that the series' headers allow one.

    Raises
    ------
    VolumeError
        If they do not, such as for images of two studies or a malformed date.
    """
    sources = source_headers(scan)
    for source in sources:
        for name in ("Rows", "Columns"):
            set_element(source, name, 1)
    frames = np.zeros((int(sources[0].get("NumberOfFrames") or len(sources)), 1, 1), np.uint8)
    frames[0] = 1
    try:
        with lenient():
            _segmentation(sources, frames, bundle).save_as(BytesIO())
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
    segmentation = _segmentation(source_headers(scan), _in_source_order(scan, numbered), bundle)
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
