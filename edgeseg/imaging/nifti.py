"""CT volumes as NIfTI: read in display orientation, masks written in the file's own geometry."""

import gzip
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from nibabel.orientations import apply_orientation
from numpy.typing import NDArray

from edgeseg.errors import UsageError, VolumeError
from edgeseg.files.atomic import atomic_path, check_writable
from edgeseg.imaging.grid import Grid, as_volume_error, grid_of, has_orientation, repair_sform
from edgeseg.imaging.levels import Hounsfield
from edgeseg.imaging.nifti_file import NIFTI, check_end, check_size, opened_nifti
from edgeseg.imaging.slices import Mask, SliceGeometry

AIR = -1024
_PART_BYTES = 32 * 2**20
_COMPRESSION = 6
_DESCRIPTION_BYTES = 79


_FREE_TEXT = ("aux_file", "db_name", "intent_name")
"""Fields of a header in which a patient may be named: they never reach a mask."""


@dataclass(frozen=True)
class NiftiScan:
    """A CT volume in HU, in display orientation; see :class:`edgeseg.imaging.scan.Scan`.

    Attributes
    ----------
    voxels
        (slices, rows, columns), int16 or float32.
    grid
        Where they lie.
    header
        The file's NIfTI header.
    """

    path: Path
    voxels: Hounsfield
    grid: Grid
    header: Any
    warning: str | None
    windowed: bool = False

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distances in mm of slices, rows and columns."""
        return self.grid.spacing

    @property
    def slice_mm(self) -> float:
        """Distance of the planes of neighbouring slices in mm: less than their step if tilted."""
        return self.grid.slice_mm

    @property
    def affine(self) -> NDArray[np.float64]:
        """4x4, from voxel indices of the file to RAS+ mm."""
        return self.grid.affine

    @property
    def to_file(self) -> NDArray[np.float64]:
        """4x4, from (slice, row, column) to voxel indices of the file."""
        return self.grid.to_file

    @property
    def orientation(self) -> NDArray[np.float64]:
        """How nibabel turns display orientation into the file's."""
        return self.grid.orientation

    def __len__(self) -> int:
        """Return the number of slices."""
        return len(self.voxels)

    def slice(self, index: int) -> Hounsfield:
        """Return one slice in HU, (rows, columns)."""
        image: Hounsfield = self.voxels[index]
        return image

    def geometry(self, _index: int) -> SliceGeometry:
        """Return size and spacing of one slice; all are alike."""
        return self.grid.geometry

    def name(self, index: int) -> str:
        """Return the number of one slice as the file counts, from 0."""
        return self.grid.slice_name(index)

    def check_output(self, output: Path) -> None:
        """Refuse early an output that :meth:`write` could not write.

        Raises
        ------
        UsageError
            If it is named like no NIfTI, or is the input itself.
        OutputError
            If it can't be written.
        """
        if not output.name.lower().endswith(NIFTI):
            raise UsageError(f"{output} is no .nii.gz; the mask of a volume is written as a NIfTI")
        if output.resolve() == self.path.resolve():
            raise UsageError(f"{output} is the input; give another output")
        check_writable(output)

    def write(self, output: Path, masks: Sequence[Mask]) -> None:
        """Write one mask a slice as a label NIfTI in the file's own geometry.

        Its qform and sform are the file's, but for an sform that is no affine.

        Raises
        ------
        OutputError
            If it can't be written; nothing half-written is left.
        """
        write_volumes(output, self, [masks], 1, 1, "labels")


def write_volumes(  # noqa: PLR0913, PLR0917 - what a file of several volumes states
    output: Path,
    scan: NiftiScan,
    volumes: Iterable[Sequence[NDArray[np.uint8]]],
    count: int,
    slope: float,
    title: str,
) -> None:
    """Write 8-bit volumes in a scan's own geometry, one in memory at a time.

    Parameters
    ----------
    output
        The ``.nii`` or ``.nii.gz`` file.
    scan
        Whose geometry it is.
    volumes
        An image (rows, columns) a slice for each volume.
    count
        How many there are; a single one is written as 3-D.
    slope
        What one step of a value means.
    title
        A few words for the header.

    Raises
    ------
    OutputError
        If it can't be written; nothing half-written is left.
    """
    header = scan.header.copy()
    header.extensions.clear()  # they may name the patient
    header.set_data_dtype(np.uint8)
    header.set_data_shape((*scan.grid.shape, *((count,) if count > 1 else ())))
    # Set without an image: forms, codes and unit stay as they are.
    header.set_slope_inter(slope, 0)
    header["vox_offset"] = header.single_vox_offset
    header["magic"] = header.single_magic
    header["cal_min"] = header["cal_max"] = 0
    header["descrip"] = f"edgeseg {title}, research use only".encode()[:_DESCRIPTION_BYTES]
    repair_sform(header)
    for field in _FREE_TEXT:
        if field in header.keys():  # noqa: SIM118 - a header is no mapping
            header[field] = b""
    with atomic_path(output) as target, _writing(target) as stream:
        header.write_to(stream)
        for images in volumes:
            stored = apply_orientation(np.stack(images), scan.orientation)
            stream.write(stored.tobytes(order="F"))


@contextmanager
def _writing(target: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Open a NIfTI to write, compressed if its name ends so; equal content gives equal bytes."""
    with target.open("wb") as file:
        if target.suffix.lower() != ".gz":
            yield file
            return
        with gzip.GzipFile("", "wb", _COMPRESSION, file, mtime=0) as stream:
            yield stream


def read_volume(path: Path) -> NiftiScan:
    """Read a CT volume of any orientation; oblique ones turn to the nearest axes.

    HU are kept as int16 where the file holds whole numbers, else as float32. Voxels that are no
    numbers (as outside of the field of view of a resampled scan) become air, with a warning.

    Raises
    ------
    VolumeError
        If it is no NIfTI, is truncated, has no three axes or several frames, is empty, is no
        grey image, mostly holds no numbers, or has a singular affine.
    """
    with as_volume_error(path), opened_nifti(path) as (image, stream):
        header, grid = image.header, grid_of(image, path)
        voxels = _allocate(image, grid.extents)
        check_size(path, header, stream, voxels.nbytes)
        # Writing through this view of the file's order fills the display order.
        missing = _fill(apply_orientation(voxels, grid.orientation), image)
        check_end(stream)
    if 2 * missing > voxels.size:
        share = f"{missing} of {voxels.size}"
        raise VolumeError(f"{path}: {share} voxels are no numbers; export the scan again")
    warnings = [f"{missing} voxels are no numbers; read as air"] if missing else []
    if not has_orientation(header):
        warnings.append(
            "the header does not say how the patient lies (no qform and no sform code): left, "
            "right, front and back are guessed; look at the mask before you use it"
        )
    return NiftiScan(path, voxels, grid, header, "; ".join(warnings) or None)


def _allocate(image: Any, shape: tuple[int, ...]) -> Hounsfield:
    """Return an empty array (slices, rows, columns) of the smallest type that holds the HU."""
    proxy = image.dataobj
    whole = image.get_data_dtype().kind in "iu" and float(proxy.inter).is_integer()
    if whole and proxy.slope == 1:
        return np.empty(shape, np.int16)
    return np.empty(shape, np.float32)


def _fill(target: NDArray[Any], image: Any) -> int:
    """Read the file once, part by part; return how many voxels are no numbers.

    nibabel scales in float64: the parts keep that from ever being held whole.
    """
    step = max(1, _PART_BYTES // (8 * target[..., 0].size))
    frame = (0,) * (len(image.shape) - 3)
    missing = 0
    for start in range(0, target.shape[2], step):
        part = np.asarray(image.dataobj[(..., slice(start, start + step), *frame)])
        missing += _store(part, target[..., start : start + step])
    return missing


def _store(part: NDArray[Any], target: NDArray[Any]) -> int:
    """Copy a part of the file to its place; return how many voxels are no numbers."""
    if target.dtype == np.int16:
        limits = np.iinfo(np.int16)
        target[...] = np.clip(part, limits.min, limits.max)
        return 0
    with np.errstate(over="ignore"):
        target[...] = part
    not_numbers = ~np.isfinite(target)
    target[not_numbers] = AIR
    return int(np.count_nonzero(not_numbers))
