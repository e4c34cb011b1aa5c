"""Finds DICOM files: in a folder and below, in a zip, or a file alone."""

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from edgeseg.errors import EdgesegError, VolumeError
from edgeseg.imaging.dicom.zipped import Opener, unzipped

ZIP, DCM = ".zip", ".dcm"
_PREAMBLE = 128
_MAGIC = b"DICM"
_HEAD_BYTES = _PREAMBLE + len(_MAGIC)
_IDENTIFYING_GROUP = b"\x08\x00"
_HIGHEST_FIRST_ELEMENT = 0x18


@dataclass(frozen=True)
class DicomFile:
    """One DICOM file on disk or in a zip.

    Attributes
    ----------
    name
        Its path within the folder or zip.
    open
        Opens it anew, to read and seek, as long as what it lies in is open.
    whole
        Whether it has the preamble of a DICOM file; some old files have the data set alone.
    """

    name: str
    open: Opener
    whole: bool


@contextmanager
def dicom_entries(path: Path) -> Iterator[tuple[DicomFile, ...]]:
    """Yield every DICOM file below a path; what is none is passed over.

    Raises
    ------
    VolumeError
        If a file can't be read, or a zip is damaged or made to do harm.
    """
    with _entries(path) as entries:
        yield tuple(entries)


def is_dicom(path: Path) -> bool:
    """Tell whether a path is a DICOM file, or a folder that has one; no package is needed.

    No file is opened behind the first that is DICOM.
    """
    with _entries(path) as entries:
        return any(True for _ in entries)


@contextmanager
def lenient() -> Iterator[None]:
    """Silence warnings about elements that break the standard's letter, as many files have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn any error while a file is read into a line that says that it is damaged.

    Elements that break the letter of the standard, as those of real files do, are let pass. What
    a parser says of either is not shown: it quotes elements, and they may name the patient.

    Raises
    ------
    VolumeError
        In place of any error but one of this package.
    """
    try:
        with lenient():
            yield
    except EdgesegError:
        raise
    except MemoryError:
        raise VolumeError(f"{name} is too large for this machine's memory; use another") from None
    except PermissionError as error:
        raise VolumeError(f"{name} can't be read ({error.strerror})") from None
    except Exception as error:
        raise VolumeError(f"{name} is truncated or damaged; copy it again") from error


@contextmanager
def _entries(path: Path) -> Iterator[Iterator[DicomFile]]:
    """Yield what yields the DICOM files below a path, each opened when it is asked for."""
    with ExitStack() as stack:
        candidates: Iterable[tuple[str, Opener]]
        if path.is_dir():
            candidates = _below(path)
        elif path.suffix.lower() == ZIP:
            candidates = stack.enter_context(unzipped(path))
        else:
            candidates = ((path.name, partial(_open, path)),)
        yield filter(None, (_entry(*candidate) for candidate in candidates))


def _below(folder: Path) -> Iterator[tuple[str, Opener]]:
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            file = Path(parent, name)
            if file.is_file():
                yield str(file.relative_to(folder)), partial(_open, file)


def _open(file: Path) -> IO[bytes]:
    return file.open("rb")


def _entry(name: str, opens: Opener) -> DicomFile | None:
    with reading(name), opens() as file:
        head = file.read(_HEAD_BYTES)
    if head[_PREAMBLE:] == _MAGIC:
        return DicomFile(name, opens, whole=True)
    return DicomFile(name, opens, whole=False) if _is_bare(head) else None


def _is_bare(head: bytes) -> bool:
    """Tell whether a file begins with an element that a data set without a preamble begins with."""
    element = int.from_bytes(head[2:4], "little")
    return (
        len(head) == _HEAD_BYTES
        and head[:2] == _IDENTIFYING_GROUP
        and element <= _HIGHEST_FIRST_ELEMENT
    )
