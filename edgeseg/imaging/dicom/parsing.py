"""Reads DICOM files of unknown origin with pydicom, and never more of them than it should take."""

import io
import zlib
from typing import IO, Any, cast

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset as read_elements
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from edgeseg.errors import VolumeError
from edgeseg.imaging.dicom.files import HEAD_BYTES, DicomFile
from edgeseg.text.units import format_bytes

MAX_HEADER_BYTES = 2**25
"""All elements but pixels that are used here; of a file of ten thousand frames some 20 MiB."""

_CHUNK = 2**20
_FILE_GROUP = 2


class _Bounded:
    """A file of which only so many bytes may be read; what a file states of itself is no bound."""

    def __init__(self, file: IO[bytes], name: str, limit: int) -> None:
        self.seek, self.tell, self.close = file.seek, file.tell, file.close
        self._file, self._name, self._limit = file, name, limit
        self._left = limit

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > self._left:
            raise too_large(self._name, self._limit)
        data = self._file.read(size)
        self._left -= len(data)
        return data


def parse(entry: DicomFile, limit: int, *, tags: list[str], pixels: bool) -> Dataset:
    """Read the elements that are named of a file, with its pixels or up to them.

    Raises
    ------
    VolumeError
        If they are more than ``limit`` bytes.
    """
    with entry.open() as opened:
        file = _Bounded(opened, entry.name, limit)
        start = HEAD_BYTES if entry.whole else 0
        file.seek(start)
        meta = read_file_meta(file)
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            file.seek(0)
            return _read(file, tags, pixels=pixels, bare=not entry.whole)
        content = _inflated(opened, entry.name, limit, whole=pixels)
        dataset = _read(content, tags, pixels=pixels, bare=True)
        # Nothing is compressed any more.
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta = meta
        return dataset


def read_file_meta(file: Any) -> FileMetaDataset:
    """Read the elements that a file has before its data set; the file stands behind them then."""
    meta = read_elements(
        file, is_implicit_VR=False, is_little_endian=True, stop_when=_behind_file_group
    )
    return FileMetaDataset(meta)


def too_large(name: str, limit: int) -> VolumeError:
    """Return the error of a file that would take more bytes than its header accounts for."""
    return VolumeError(
        f"{name} holds more than {format_bytes(limit)}, and its header accounts for less; it is "
        "damaged or made to do harm"
    )


def _behind_file_group(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag.group != _FILE_GROUP


def _read(file: Any, tags: list[str], *, pixels: bool, bare: bool) -> Dataset:
    return pydicom.dcmread(
        cast("IO[bytes]", file),
        stop_before_pixels=not pixels,
        specific_tags=tags,
        force=bare,
    )


def _inflated(file: IO[bytes], name: str, limit: int, *, whole: bool) -> io.BytesIO:
    """Inflate the rest of a file: all of it within the limit, or the start of it."""
    inflater, content = zlib.decompressobj(-zlib.MAX_WBITS), io.BytesIO()
    while not inflater.eof:
        compressed = inflater.unconsumed_tail or file.read(_CHUNK)
        if not compressed:
            raise EOFError("the compressed elements end early")
        content.write(inflater.decompress(compressed, min(_CHUNK, limit + 1 - content.tell())))
        if content.tell() > limit:
            if whole:
                raise too_large(name, limit)
            break
    content.seek(0)
    return content
