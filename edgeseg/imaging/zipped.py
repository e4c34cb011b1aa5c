"""Files in a zip of unknown origin: read in place, never unpacked to disk."""

import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import IO, Final, TypeAlias

from edgeseg.errors import VolumeError
from edgeseg.files.archive import DAMAGE, bounded_archive

Opener: TypeAlias = Callable[[], IO[bytes]]
"""Opens a file anew, to read and seek."""

MAX_DIRECTORY_BYTES = 32 * 2**20
"""The list of entries; more than a hundred thousand of them."""
MAX_ENTRY_BYTES = 2**30
MAX_BYTES = 32 * 2**30
MAX_RATIO = 100
"""CT shrinks to a half or a third; only what was made to do harm shrinks so much."""

ZIP: Final = ".zip"
_MAGIC = b"PK\x03\x04"
_ENCRYPTED = 1


def is_zip(path: Path) -> bool:
    """Tell by its name or its contents whether a file is a zip."""
    if path.suffix.lower() == ZIP or not path.is_file():
        return path.is_file()
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


@contextmanager
def unzipped(path: Path) -> Iterator[Iterable[tuple[str, Opener]]]:
    """Yield the name of every file in a zip, and what opens it.

    Raises
    ------
    VolumeError
        If it is no zip or damaged, is encrypted, has paths that lead out of it or links, or
        holds more than a study can.
    """
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(bounded_archive(path, MAX_DIRECTORY_BYTES))
        except DAMAGE as error:
            raise VolumeError(f"{path} is no zip or is damaged ({error}); copy it again") from None
        files = [entry for entry in archive.infolist() if not entry.is_dir()]
        problem = _harm(files, path.stat().st_size)
        if problem is not None:
            raise VolumeError(f"{path} {problem}")
        yield ((entry.filename, partial(archive.open, entry)) for entry in files)


def _harm(files: list[zipfile.ZipInfo], zipped_bytes: int) -> str | None:
    """Return why a zip is refused, or None."""
    for entry in files:
        if _leads_out(entry.filename):
            return f"has a path that leads out of it, {entry.filename!r}; zip the folder anew"
        if stat.S_ISLNK(entry.external_attr >> 16):
            return f"has a link, {entry.filename!r}; zip the files themselves"
        if entry.flag_bits & _ENCRYPTED:
            return "is encrypted; unpack it and give the folder"
        if entry.file_size > MAX_ENTRY_BYTES:
            return f"has a file of more than 1 GiB, {entry.filename!r}; unpack it, give the folder"
    total = sum(entry.file_size for entry in files)
    if total > MAX_BYTES or total > max(MAX_ENTRY_BYTES, MAX_RATIO * zipped_bytes):
        return f"unpacks to {total} bytes, more than a study; unpack it and give the folder"
    return None


def _leads_out(name: str) -> bool:
    # Windows' rules are the stricter ones: they know drives and both slashes.
    path = PureWindowsPath(name)
    return bool(path.anchor) or ".." in path.parts
