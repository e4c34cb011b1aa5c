"""Files and folders written whole or not at all."""

import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from edgeseg.errors import OutputError, UsageError
from edgeseg.files.ownership import make_claimed
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
_DEFAULT_UMASK = 0o077
"""Where the kernel does not tell."""

_TEMPORARY = ".edgeseg-"
_TEMPORARY_NAME = re.compile(r"\.edgeseg-[0-9a-f]{16}(\..*)?")


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target`` that becomes the target once the block succeeds.

    The temporary name ends like the target (``.nii.gz`` included), since libraries choose the
    format by it. Whatever ends the block early removes it and leaves an older target as it was.
    The block should do nothing but write: any operating system error in it counts as one of
    writing. Until then others can't read it; afterwards it has the permissions of any new file, and
    is on the disk, so that a power cut leaves either the older target or the new one. What a killed
    process leaves behind is removed by the next that writes to the folder.

    Raises
    ------
    OutputError
        If the file can't be written: folder missing, read-only, disk full.
    """
    with _as_output_error(target):
        temporary, lock = _reserve(target)
        try:
            yield temporary
            _settle(temporary, target)
            sync(target.parent)
        finally:
            temporary.unlink(missing_ok=True)
            os.close(lock)


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
        temporary, lock = _reserve_folder(target)
        try:
            yield temporary
            target.mkdir(exist_ok=True)
            for file in temporary.iterdir():
                _settle(file, target / file.name)
            sync(target)
            sync(target.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            os.close(lock)


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
        sync(target)
        sync(target.parent)


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


def check_writable(*targets: Path | None) -> None:
    """Refuse early, before any work is done, files that could not be written at the end.

    Parameters
    ----------
    *targets
        The files to write; None where one is not asked for.

    Raises
    ------
    UsageError
        If two of them are one file.
    OutputError
        If the folder is missing or read-only, or the target is no ordinary file.
    """
    check_distinct(*targets)
    for target in targets:
        if target is not None:
            _try_to_reserve(target)


def _try_to_reserve(target: Path) -> None:
    with _as_output_error(target):
        temporary, lock = _reserve(target)
        temporary.unlink()
        os.close(lock)


def check_distinct(*targets: Path | None) -> None:
    """Refuse early that two results are written to one file, where the later would be alone.

    Parameters
    ----------
    *targets
        The files to write; None where one is not asked for.

    Raises
    ------
    UsageError
        If two of them are one file.
    """
    seen: set[Path] = set()
    for target in targets:
        if target is None:
            continue
        if target.resolve() in seen:
            raise UsageError(f"two results would be written to {target}; give each its own file")
        seen.add(target.resolve())


def sync(path: Path) -> None:
    """Have a file's contents, or the names in a folder, written to the disk itself.

    Raises
    ------
    OSError
        If that fails; no error is a file system that can't do it, or a folder that may not be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)


def _reserve(target: Path) -> tuple[Path, int]:
    """Create an empty temporary file beside the target, and return it with its lock."""
    if target.exists() and not target.is_file():
        # A device must never be replaced by a file.
        raise OSError(errno.EISDIR, "it exists and is no ordinary file")
    return _claimed(target, lambda path: path.touch(0o600, exist_ok=False))


def _reserve_folder(target: Path) -> tuple[Path, int]:
    """Create a temporary folder beside the target, and return it with its lock."""
    return _claimed(target, lambda path: path.mkdir(0o700))


def _claimed(target: Path, make: Callable[[Path], None]) -> tuple[Path, int]:
    suffixes = "".join(target.suffixes)
    return make_claimed(
        target.parent,
        _TEMPORARY_NAME,
        lambda: f"{_TEMPORARY}{secrets.token_hex(8)}{suffixes}",
        make,
    )


def _settle(temporary: Path, target: Path) -> None:
    """Move a finished file to its name, with the permissions of any new file."""
    sync(temporary)
    temporary.chmod(0o666 & ~_umask())
    temporary.replace(target)


def _umask() -> int:
    """Return the umask; asking the C library would change it for a moment, in all threads."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").split("\n"):
        name, _, value = line.partition(":")
        if name == "Umask":
            return int(value, 8)
    return _DEFAULT_UMASK


@contextmanager
def _as_output_error(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        remedy = _REMEDIES.get(error.errno or 0, "write elsewhere")
        raise OutputError(f"can't write {target}: {reason}; {remedy}") from None
