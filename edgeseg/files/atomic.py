"""Files and folders written whole or not at all."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from edgeseg.errors import OutputError, UsageError
from edgeseg.text.suggestions import near_path

_REMEDIES = {
    errno.ENOSPC: "free some space or write elsewhere",
    errno.EDQUOT: "free some of the quota or write elsewhere",
    errno.EFBIG: "raise the limit on file size or write elsewhere",
    errno.EROFS: "choose a folder that is not read-only",
    errno.EACCES: "choose a folder that may be written to",
    errno.EPERM: "choose a folder that may be written to",
    errno.ENOENT: "create its folder first",
    errno.ENOTDIR: "choose another folder",
    errno.EISDIR: "give the name of a file, not of a folder",
    errno.EEXIST: "choose another name, or move that one away",
    errno.ENAMETOOLONG: "choose a shorter name",
}

_LARGEST_SECRET = 2**16


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target`` that becomes the target once the block succeeds.

    The temporary name ends like the target (``.nii.gz`` included), since libraries choose the
    format by it. Whatever ends the block early removes it and leaves an older target as it was.
    The block should do nothing but write: any operating system error in it counts as one of
    writing.

    Raises
    ------
    OutputError
        If the file can't be written: folder missing, read-only, disk full.
    """
    with _as_output_error(target):
        temporary = _reserve(target)
        try:
            yield temporary
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder whose files move into ``target`` once the block succeeds.

    An existing target keeps its other files; files of the same name are replaced.

    Raises
    ------
    OutputError
        If the folder can't be written, as for :func:`atomic_path`.
    """
    with _as_output_error(target):
        temporary = _beside(target)
        temporary.mkdir()
        try:
            yield temporary
            target.mkdir(exist_ok=True)
            for file in temporary.iterdir():
                file.replace(target / file.name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def write_json(target: Path, value: Any) -> None:
    """Write a struct as indented JSON, whole or not at all.

    Raises
    ------
    OutputError
        If the file can't be written; nothing half-written is left.
    """
    text = msgspec.json.format(msgspec.json.encode(value), indent=2)
    with atomic_path(target) as path:
        path.write_bytes(text + b"\n")


def write_private(target: Path, text: str) -> None:
    """Write a secret for its owner alone; its folder is made where there is none.

    Raises
    ------
    OutputError
        If it can't be written, or something of that name is there: no secret is ever replaced.
    """
    with _as_output_error(target):
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Never readable by others, not even for a moment.
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)


def read_private(path: Path) -> str:
    """Read a secret.

    Raises
    ------
    UsageError
        If it is missing, no text, or can be read by others than its owner.
    """
    try:
        with path.open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise UsageError(f"others may read the secret in {path}; run: chmod 600 {path}")
            return file.read(_LARGEST_SECRET)
    except OSError as error:
        raise UsageError(
            f"can't read the secret in {path} ({error.strerror}); edgeseg keygen makes one"
            f"{near_path(path)}"
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no text") from None


def check_writable(target: Path) -> None:
    """Refuse early, before any work is done, a file that could not be written at the end.

    Raises
    ------
    OutputError
        If the folder is missing or read-only, or the target is no ordinary file.
    """
    with _as_output_error(target):
        _reserve(target).unlink()


def _reserve(target: Path) -> Path:
    """Create an empty temporary file beside the target."""
    if target.exists() and not target.is_file():
        # A device must never be replaced by a file.
        raise OSError(errno.EISDIR, "it exists and is no ordinary file")
    temporary = _beside(target)
    temporary.touch(exist_ok=False)
    return temporary


def _beside(target: Path) -> Path:
    return target.parent / f".{secrets.token_hex(8)}{''.join(target.suffixes)}"


@contextmanager
def _as_output_error(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        remedy = _REMEDIES.get(error.errno or 0, "write elsewhere")
        raise OutputError(f"can't write {target}: {reason}; {remedy}") from None
