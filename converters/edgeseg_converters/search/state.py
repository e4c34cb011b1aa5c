"""What a search has found out so far, on disk: an interrupted one goes on where it ended.

Everything is filed under a hash of all that it depends on, so changed inputs find nothing.
"""

from pathlib import Path
from typing import Any

import msgspec

from edgeseg.bundle.bundle_file import digest, digest_file
from edgeseg.files.atomic import write_json
from edgeseg_converters.compare.comparison import ComparedModel

STATE = "state.json"


class Built(msgspec.Struct, frozen=True):
    """A bundle that was compiled: SHA-256 of the file, and what the compiler noted."""

    sha256: str
    notes: tuple[str, ...]


class _Contents(msgspec.Struct, forbid_unknown_fields=True):
    """Bundles by what they were compiled from, figures by what was measured."""

    bundles: dict[str, Built] = {}
    entries: dict[str, ComparedModel] = {}


class State:
    """The findings of searches in one folder; each new one is written to disk at once."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / STATE
        self._contents = _read(self._path)

    def bundle(self, key: str, path: Path) -> Built | None:
        """Return what was once compiled for the key, if the file still is that bundle."""
        built = self._contents.bundles.get(key)
        if built is None or not path.is_file() or digest_file(path) != built.sha256:
            return None
        return built

    def add_bundle(self, key: str, path: Path, notes: tuple[str, ...]) -> Built:
        """Remember a bundle just compiled."""
        built = self._contents.bundles[key] = Built(digest_file(path), notes)
        write_json(self._path, self._contents)
        return built

    def entry(self, key: str) -> ComparedModel | None:
        """Return figures measured before."""
        return self._contents.entries.get(key)

    def add_entry(self, key: str, entry: ComparedModel) -> None:
        """Remember figures just measured."""
        self._contents.entries[key] = entry
        write_json(self._path, self._contents)


def key_of(**inputs: Any) -> str:
    """Return a hash of named inputs, whatever their order; they must be plain or structs."""
    return digest(msgspec.json.encode(inputs, order="sorted"))


def _read(path: Path) -> _Contents:
    """Read the file; one that is missing or foreign counts as empty."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Contents)
    except (FileNotFoundError, msgspec.MsgspecError):
        return _Contents()
