"""Zip archives of unknown origin: opened only within bounds."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_DIRECTORY_BYTES = 2**20
"""The list of entries at the end of the file; some thousand of them."""

_LOCAL_HEADER_BYTES = 30

DAMAGE = (zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError, OverflowError)
"""The errors of a file that is no archive, or a damaged one."""


@contextmanager
def stored_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive whose entries are neither compressed nor encrypted and lie side by side.

    So no entry takes more memory than it takes bytes of the file.

    Raises
    ------
    zipfile.BadZipFile
        If it is no such archive; other errors of damaged files are among :data:`DAMAGE`.
    """
    with bounded_archive(path, MAX_DIRECTORY_BYTES) as archive:
        _check_stored(archive)
        yield archive


@contextmanager
def bounded_archive(path: Path, max_directory_bytes: int) -> Iterator[zipfile.ZipFile]:
    """Open an archive whose list of entries is bounded; all have names and bytes of their own.

    Raises
    ------
    zipfile.BadZipFile
        If it is no such archive; other errors of damaged files are among :data:`DAMAGE`.
    """
    with _Bounded(io.FileIO(path)) as file:
        file.bound = max_directory_bytes
        with zipfile.ZipFile(file) as archive:
            file.bound = None
            _check(archive)
            yield archive


class _Bounded(io.BufferedReader):
    """A file that refuses large reads: an archive itself states how long its list of entries is."""

    bound: int | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        if self.bound is not None and size is not None and size > self.bound:
            raise zipfile.BadZipFile("its list of entries is too long")
        return super().read(size)


def _check_stored(archive: zipfile.ZipFile) -> None:
    for entry in archive.infolist():
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits:
            raise zipfile.BadZipFile("an entry is compressed or encrypted")
        if entry.file_size != entry.compress_size:
            raise zipfile.BadZipFile("an entry has two sizes")


def _check(archive: zipfile.ZipFile) -> None:
    entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
    if len({entry.filename for entry in entries}) < len(entries):
        raise zipfile.BadZipFile("two entries have the same name")
    end = 0
    for entry in entries:
        if entry.header_offset < end:
            raise zipfile.BadZipFile("entries overlap")
        end = entry.header_offset + _LOCAL_HEADER_BYTES + len(entry.filename) + entry.compress_size
    if end > archive.start_dir:
        raise zipfile.BadZipFile("an entry reaches beyond the end")
