"""Opens a NIfTI by its contents: plain, as a gzip of any name, or as the only one in a zip."""

import io
import math
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

import nibabel as nib

from edgeseg.errors import VolumeError
from edgeseg.imaging.gzip_stream import GZIP_MAGIC, GzipStream
from edgeseg.imaging.zipped import Opener, is_zip, unzipped
from edgeseg.memory_limit import free_memory
from edgeseg.text.units import format_bytes

NIFTI: Final = (".nii", ".nii.gz")
READABLE = "give a .nii or .nii.gz file"
_KINDS = ((nib.Nifti1Header, nib.Nifti1Image), (nib.Nifti2Header, nib.Nifti2Image))
_HEAD_BYTES = 540
"""The longer one of both headers."""

_MAX_VOXELS = 2**31
"""1024 x 1024 x 2048; no CT has more."""

_MAX_BEFORE_VOXELS = 2**26
"""Extensions of a header lie there; nibabel holds them in memory."""

_BESIDE_VOXELS = 1.5
"""Memory of a run in terms of that of its scan: there are masks, and a copy of what is written."""

_NAMED = 3
_BEHIND_VOXELS = 2**16
"""What is read to meet the checksum of a gzip; anything longer is left alone."""


@contextmanager
def opened_nifti(path: Path) -> Iterator[tuple[Any, IO[bytes]]]:
    """Yield a NIfTI's image, none of whose voxels is read yet, and the stream that it lies in.

    Errors of nibabel are left to :func:`edgeseg.imaging.grid.as_volume_error`.

    Raises
    ------
    VolumeError
        If it is no NIfTI, or a zip has none or several.
    """
    with _source(path) as opens, _decompressed(opens) as stream:
        head = stream.read(_HEAD_BYTES)
        kinds = [kinds for kinds in _KINDS if kinds[0].may_contain_header(head)]
        if not kinds or not _is_single(head):
            raise VolumeError(f"{path} is no NIfTI; {READABLE}")
        header_kind, image_kind = kinds[-1]
        header = header_kind(head[: header_kind.sizeof_hdr], check=False)
        if int(header["vox_offset"]) > _MAX_BEFORE_VOXELS:
            raise VolumeError(f"{path} has a damaged header; copy it again")
        stream.seek(0)
        yield image_kind.from_stream(stream), stream


def check_size(path: Path, header: Any, stream: IO[bytes], held_bytes: int) -> None:
    """Refuse a volume that is too large by its header, or cut short, before any voxel is read.

    Parameters
    ----------
    path
        Names the file in messages.
    header, stream
        Of the opened NIfTI.
    held_bytes
        What its voxels take in memory.

    Raises
    ------
    VolumeError
        If it has more voxels than any CT or than this machine can hold, or than it says.
    """
    voxels = math.prod(int(extent) for extent in header.get_data_shape())
    check_fits(str(path), voxels, held_bytes)
    if isinstance(stream, io.BufferedReader) and not isinstance(stream.raw, GzipStream):
        stated = int(header["vox_offset"]) + voxels * int(header["bitpix"]) // 8
        size = stream.seek(0, io.SEEK_END)
        if size < stated:
            raise VolumeError(
                f"{path} is truncated or damaged (it has {size} bytes, and its header says "
                f"{stated}); copy it again"
            )


def check_fits(name: str, voxels: int, held_bytes: int) -> None:
    """Refuse a volume of more voxels than any CT has, or than this machine can hold.

    Raises
    ------
    VolumeError
        It says how many there are.
    """
    if voxels > _MAX_VOXELS:
        raise VolumeError(f"{name} has {voxels} voxels, more than any CT; crop it")
    if _BESIDE_VOXELS * held_bytes > free_memory():
        raise VolumeError(
            f"{name} is too large for this machine's memory: its voxels take "
            f"{format_bytes(held_bytes)}; crop it"
        )


def check_end(stream: IO[bytes]) -> None:
    """Read a little beyond the last voxel: a decompressor meets the checksum there."""
    left = _BEHIND_VOXELS
    while left > 0 and (data := stream.read(left)):
        left -= len(data)


def is_nifti(path: Path) -> bool:
    """Tell by its name or its contents whether a file is a NIfTI, or a zip that holds some."""
    if not path.is_file():
        return False
    if path.name.lower().endswith(NIFTI):
        return True
    if is_zip(path):
        with suppress(VolumeError), unzipped(path) as files:
            return bool(_niftis(files))
        return False
    with suppress(OSError, EOFError, zlib.error), _decompressed(partial(_open, path)) as stream:
        return _is_single(stream.read(_HEAD_BYTES))
    return False


@contextmanager
def _source(path: Path) -> Iterator[Opener]:
    """Yield what opens the file, or the only NIfTI of a zip."""
    if not is_zip(path):
        yield partial(_open, path)
        return
    with unzipped(path) as files:
        niftis = _niftis(files)
        if len(niftis) != 1:
            names = ", ".join(repr(name) for name, _ in niftis[:_NAMED])
            held = f"{len(niftis)} NIfTIs ({names})" if niftis else "no NIfTI"
            raise VolumeError(f"{path} holds {held}; give a zip with one, or the file")
        yield niftis[0][1]


@contextmanager
def _decompressed(opens: Opener) -> Iterator[IO[bytes]]:
    with opens() as file:
        compressed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        file.seek(0)
        if not compressed:
            yield file
            return
    with io.BufferedReader(GzipStream(opens)) as stream:
        yield stream


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _niftis(files: Iterable[tuple[str, Opener]]) -> list[tuple[str, Opener]]:
    """Return those that are NIfTIs by their names, but for the shadows that macOS adds."""
    return [
        (name, opens)
        for name, opens in files
        if name.lower().endswith(NIFTI) and not PurePosixPath(name).name.startswith("._")
    ]


def _is_single(head: bytes) -> bool:
    """Tell whether a head is that of a NIfTI whose voxels follow in the same file."""
    return head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0"
