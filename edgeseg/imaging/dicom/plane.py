"""One slice of a DICOM series: where it lies, and how its stored values become HU."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from edgeseg.errors import VolumeError
from edgeseg.imaging.dicom.files import reading
from edgeseg.imaging.dicom.header import LOCALIZER, DicomImage

_GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
_UNIT_TOLERANCE = 1e-2
_HU_TYPES = {"", "HU", "US"}
"""US stands for unspecified; older scanners write it for HU."""


@dataclass(frozen=True, eq=False)
class Rescale:
    """How stored values become HU: ``slope * stored + intercept``; padding becomes air.

    Attributes
    ----------
    padding
        Lowest and highest stored value that stands for no tissue, or None.
    stated
        Whether the header has slope and intercept; where it does not, they are 1 and 0.
    """

    slope: float
    intercept: float
    padding: tuple[int, int] | None
    stated: bool = True

    @property
    def whole(self) -> bool:
        """Whether whole stored values become whole HU."""
        return self.slope.is_integer() and self.intercept.is_integer()


@dataclass(frozen=True, eq=False)
class Plane:
    """One axial slice: a file of its own, or a frame of a file.

    Attributes
    ----------
    frame
        Which frame of the file, from 0.
    number
        Its number by the scanner.
    size
        Rows and columns.
    spacing
        Distance in mm of rows and of columns.
    position
        Centre of the first pixel, LPS mm, (3,).
    directions
        Of increasing columns and of increasing rows, (2, 3).
    thickness
        In mm, where it is known.
    acquisition
        The number of its acquisition, where it has one.
    """

    image: DicomImage
    frame: int
    number: int
    size: tuple[int, int]
    spacing: tuple[float, float]
    position: NDArray[np.float64]
    directions: NDArray[np.float64]
    thickness: float | None
    rescale: Rescale
    acquisition: int | None

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector through the slice; that of an axial one points to the head."""
        return np.asarray(np.cross(*self.directions))

    @property
    def height(self) -> float:
        """Where it lies along the normal, in mm; z of an axial slice."""
        return float(self.position @ self.normal)


def planes_of(image: DicomImage) -> Iterator[Plane]:
    """Yield the slices of a file: one, or one a frame of an enhanced CT; localizers are left out.

    Raises
    ------
    VolumeError
        If the header lacks what tells position or HU, or is damaged.
    """
    header = image.header
    with reading(image.entry.name):
        if _GROUPS[0] not in header:
            yield _plane(image, header, 0, int(header.get("InstanceNumber") or 0))
            return
        for frame in range(len(header[_GROUPS[0]].value)):
            groups = _frame_header(header, frame)
            if LOCALIZER.upper() not in (groups.get("FrameType") or ()):
                yield _plane(image, groups, frame, frame + 1)


def _frame_header(header: Dataset, frame: int) -> Dataset:
    """Return the header that a file of one frame alone would have."""
    flat = Dataset()
    for keyword in ("Rows", "Columns", "PixelRepresentation"):
        setattr(flat, keyword, header.get(keyword))
    shared = header.get(_GROUPS[1]) or [Dataset()]
    for groups in (shared[0], header[_GROUPS[0]].value[frame]):
        for element in groups:
            if element.VR == "SQ" and element.value:
                flat.update(element.value[0])
    return flat


def _plane(image: DicomImage, header: Dataset, frame: int, number: int) -> Plane:
    name = image.entry.name
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        if not header.get(keyword):
            raise VolumeError(f"{name} has no {keyword}; export the series again")
    directions = np.array(header.ImageOrientationPatient, np.float64).reshape(2, 3)
    if not np.allclose(directions @ directions.T, np.eye(2), atol=_UNIT_TOLERANCE):
        raise VolumeError(f"{name} has an orientation that is none; export the series again")
    row_mm, col_mm = map(float, header.PixelSpacing)
    if not (0 < row_mm < np.inf and 0 < col_mm < np.inf):
        raise VolumeError(f"{name} has pixels of {row_mm} x {col_mm} mm; export the series again")
    acquisition = header.get("AcquisitionNumber", header.get("FrameAcquisitionNumber"))
    thickness = header.get("SliceThickness") or header.get("SpacingBetweenSlices")
    return Plane(
        image=image,
        frame=frame,
        number=number,
        size=(int(header.Rows), int(header.Columns)),
        spacing=(row_mm, col_mm),
        position=np.array(header.ImagePositionPatient, np.float64),
        directions=directions,
        thickness=abs(float(thickness)) or None if thickness else None,
        rescale=_rescale(header, name),
        acquisition=None if acquisition in {None, ""} else int(acquisition),
    )


def _rescale(header: Dataset, name: str) -> Rescale:
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    stated = slope is not None and intercept is not None
    if header.get("ModalityLUTSequence") and not stated:
        raise VolumeError(f"{name} has a table in place of slope and intercept; export it again")
    slope, intercept = (1 if slope is None else slope), (0 if intercept is None else intercept)
    if not float(slope):
        raise VolumeError(f"{name} has a rescale slope of 0: no HU; export it again")
    unit = str(header.get("RescaleType") or "").upper()
    if unit not in _HU_TYPES:
        raise VolumeError(f"{name} holds no HU by its RescaleType; choose a series of HU")
    return Rescale(float(slope), float(intercept), _padding(header), stated)


def check_alike_rescale(planes: Sequence[Plane]) -> None:
    """Refuse slices of which some have a rescale and others have lost it.

    Raises
    ------
    VolumeError
        It names the first that has none.
    """
    lost = [plane for plane in planes if not plane.rescale.stated]
    if 0 < len(lost) < len(planes):
        raise VolumeError(
            f"{lost[0].image.entry.name} has no rescale slope and intercept, unlike others: no "
            "HU; export it again"
        )


def _padding(header: Dataset) -> tuple[int, int] | None:
    first: Any = header.get("PixelPaddingValue")
    if first is None:
        return None
    last: Any = header.get("PixelPaddingRangeLimit")
    signed = header.get("PixelRepresentation") == 1
    low, high = sorted(
        _stored(int(v), signed=signed) for v in (first, first if last is None else last)
    )
    return low, high


def _stored(value: int, *, signed: bool) -> int:
    """Read a padding value as pixels are read; files write signed ones as unsigned."""
    return value - 2**16 if signed and value >= 2**15 else value
