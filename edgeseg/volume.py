"""CT volumes as NIfTI: read in display orientation, masks written in the file's own geometry."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.openers import ImageOpener
from nibabel.orientations import (
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from edgeseg.errors import UsageError, VolumeError
from edgeseg.files import atomic_path, check_writable
from edgeseg.slices import Hounsfield, Mask, SliceGeometry

AIR = -1024
_DISPLAY = axcodes2ornt(("S", "P", "L"))
_PART_BYTES = 32 * 2**20
_READABLE = "give a .nii or .nii.gz file"
_COMPRESSION = 6
_SUFFIXES = (".nii", ".nii.gz")


@dataclass(frozen=True)
class Volume:
    """A CT volume in HU, in display orientation; see :class:`edgeseg.scan.Scan`.

    Attributes
    ----------
    voxels
        (slices, rows, columns), int16 or float32.
    spacing
        Distances in mm of slices, rows and columns.
    affine
        4x4, from voxel indices of the file to RAS+ mm.
    to_file
        4x4, from (slice, row, column) to voxel indices of the file.
    orientation
        How nibabel turns display orientation into the file's.
    header
        The file's NIfTI header.
    """

    path: Path
    voxels: Hounsfield
    spacing: tuple[float, float, float]
    affine: NDArray[np.float64]
    to_file: NDArray[np.float64]
    orientation: NDArray[np.float64]
    header: Any
    warning: str | None
    windowed: bool = False

    def __len__(self) -> int:
        """Return the number of slices."""
        return len(self.voxels)

    def slice(self, index: int) -> Hounsfield:
        """Return one slice in HU, (rows, columns)."""
        image: Hounsfield = self.voxels[index]
        return image

    def geometry(self, index: int) -> SliceGeometry:
        """Return size and spacing of one slice."""
        rows, cols = self.voxels[index].shape
        return SliceGeometry(rows, cols, *self.spacing[1:])

    def name(self, index: int) -> str:
        """Return the number of one slice as the file counts, from 0."""
        axis = int(np.abs(self.to_file[:3, 0]).argmax())
        return f"slice {round(self.to_file[axis, 0] * index + self.to_file[axis, 3])}"

    def check_output(self, output: Path) -> None:
        """Refuse early an output that :meth:`write` could not write.

        Raises
        ------
        UsageError
            If it is named like no NIfTI, or is the input itself.
        OutputError
            If it can't be written.
        """
        if not output.name.lower().endswith(_SUFFIXES):
            raise UsageError(f"{output} is no .nii.gz; the mask of a NIfTI is written as a NIfTI")
        if output.resolve() == self.path.resolve():
            raise UsageError(f"{output} is the input; give another output")
        check_writable(output)

    def write(self, output: Path, masks: Sequence[Mask]) -> None:
        """Write one mask a slice as a label NIfTI in the file's own geometry.

        Raises
        ------
        OutputError
            If it can't be written; nothing half-written is left.
        """
        labels = apply_orientation(np.stack(masks), self.orientation)
        header = self.header.copy()
        header.extensions.clear()  # they may name the patient
        header.set_data_dtype(np.uint8)
        header.set_data_shape(labels.shape)
        header.set_slope_inter(1, 0)
        header["cal_min"] = header["cal_max"] = 0
        header["descrip"] = b"edgeseg labels, research use only"
        kind: Any = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
        # An affine equal to the header's own leaves qform, sform and their codes as they are.
        image = kind(labels, self.affine, header)
        with atomic_path(output) as target, _writing(target) as stream:
            image.to_stream(stream)


@contextmanager
def _writing(target: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Open a NIfTI to write, compressed if its name says so; the same content, the same bytes."""
    with target.open("wb") as file:
        if target.suffix.lower() != ".gz":
            yield file
            return
        with gzip.GzipFile("", "wb", _COMPRESSION, file, mtime=0) as stream:
            yield stream


def read_volume(path: Path) -> Volume:
    """Read a CT volume of any orientation; oblique ones turn to the nearest axes.

    HU are kept as int16 where the file holds whole numbers, else as float32. Voxels that are no
    numbers (as outside of the field of view of a resampled scan) become air, with a warning.

    Raises
    ------
    VolumeError
        If it is no NIfTI, is truncated, has no three axes or several frames, is empty, is no
        grey image, mostly holds no numbers, or has a singular affine.
    """
    with _as_volume_error(path), _opened(path) as (image, stream):
        affine, shape = _checked_affine(path, image), _checked_shape(path, image)
        stored = io_orientation(affine)
        to_display = ornt_transform(stored, _DISPLAY)
        orientation = ornt_transform(_DISPLAY, stored)
        voxels = _allocate(image, [shape[axis] for axis in to_display[:, 0].argsort()])
        # Writing through this view of the file's order fills the display order.
        missing = _fill(apply_orientation(voxels, orientation), image)
        _read_to_the_end(stream)
    if 2 * missing > voxels.size:
        share = f"{missing} of {voxels.size}"
        raise VolumeError(f"{path}: {share} voxels are no numbers; export the scan again")
    to_file = inv_ornt_aff(to_display, shape)
    slice_mm, row_mm, col_mm = np.linalg.norm((affine @ to_file)[:3, :3], axis=0)
    return Volume(
        path=path,
        voxels=voxels,
        spacing=(float(slice_mm), float(row_mm), float(col_mm)),
        affine=affine,
        to_file=to_file,
        orientation=orientation,
        header=image.header,
        warning=f"{missing} voxels of {path} are no numbers; read as air" if missing else None,
    )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """Open a NIfTI so that its compressed stream is read once, not anew for every part."""
    kind: Any = type(nib.load(path))
    if not issubclass(kind, nib.Nifti1Image):
        raise VolumeError(f"{path} is no NIfTI; {_READABLE}")
    stream: Any = ImageOpener(path)
    with stream:
        yield kind.from_file_map(kind.make_file_map({"image": stream})), stream


def _read_to_the_end(stream: Any) -> None:
    """Let the decompressor meet the checksum, which stands behind the last voxel."""
    while stream.read(_PART_BYTES):
        pass


def _checked_affine(path: Path, image: Any) -> NDArray[np.float64]:
    affine = np.asarray(image.affine, np.float64)
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise VolumeError(f"{path} has a singular affine; repair its qform and sform, then retry")
    return affine


def _checked_shape(path: Path, image: Any) -> tuple[int, ...]:
    """Return the three extents, or say why there are no three."""
    shape = tuple(int(extent) for extent in image.shape)
    if len(shape) < 3:
        raise VolumeError(f"{path} is {len(shape)}-D; give a 3-D volume, or one slice as a PNG")
    if any(extent < 1 for extent in shape):
        raise VolumeError(f"{path} is empty: its shape is {shape}; export the scan again")
    if any(extent > 1 for extent in shape[3:]):
        raise VolumeError(f"{path} has several frames: its shape is {shape}; save one as 3-D")
    if image.get_data_dtype().kind not in "iuf":
        raise VolumeError(f"{path} holds colours or complex numbers; give a CT volume in HU")
    return shape[:3]


def _allocate(image: Any, shape: list[int]) -> Hounsfield:
    """Make room in the smallest type that holds the file's HU."""
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
    lost = ~np.isfinite(target)
    target[lost] = AIR
    return int(np.count_nonzero(lost))


@contextmanager
def _as_volume_error(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise VolumeError(f"{path} does not exist; {_READABLE}") from None
    except ImageFileError:
        raise VolumeError(f"{path} is no NIfTI; {_READABLE}") from None
    except MemoryError:
        raise VolumeError(f"{path} is too large for this machine's memory; crop it") from None
    except (OSError, EOFError, zlib.error, ValueError, HeaderDataError) as error:
        reason = " ".join(str(error).split())
        raise VolumeError(f"{path} is truncated or damaged ({reason}); copy it again") from None
