"""Files of keys, in TOML: a secret one for its owner alone, and a public one to hand out."""

from pathlib import Path
from typing import TypeVar

import msgspec

from edgeseg.errors import OutputError, UsageError
from edgeseg.files.atomic import read_private, write_private

_T = TypeVar("_T")


def write_key_files(secret: Path, secret_text: str, public: Path, public_text: str) -> None:
    """Write both files of a pair.

    Raises
    ------
    OutputError
        If they can't be written, or the secret one is there: none is ever replaced.
    """
    write_private(secret, secret_text)
    try:
        public.write_text(public_text, "utf-8")
    except OSError as error:
        raise OutputError(
            f"can't write {public} ({error.strerror}); choose another folder"
        ) from None


def read_secret_file(path: Path, kind: type[_T], remedy: str) -> _T:
    """Read the secret file of a pair.

    Parameters
    ----------
    path
        The file.
    kind
        What it must hold.
    remedy
        What to do about a file that holds something else.

    Raises
    ------
    UsageError
        If it is missing, holds something else, or can be read by others than its owner.
    """
    return _parse(path, read_private(path), kind, remedy)


def read_public_file(path: Path, kind: type[_T], remedy: str) -> _T:
    """Read the public file of a pair; parameters as :func:`read_secret_file`.

    Raises
    ------
    UsageError
        If it is missing or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"can't read the public key {path} ({error.strerror})") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no such key; {remedy}") from None
    return _parse(path, text, kind, remedy)


def _parse(path: Path, text: str, kind: type[_T], remedy: str) -> _T:
    try:
        return msgspec.toml.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} is no such key: {error}; {remedy}") from None
