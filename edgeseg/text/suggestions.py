"""What somebody may have meant: the nearest known name, for the end of an error message."""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

_UNKNOWN = re.compile(r"unknown field `(.+?)`")
_CHOICE = re.compile(r"'(?P<word>[^']*)' is not one of (?P<known>.*)")
_MOST_NEIGHBOURS = 1000


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``; did you mean 'x'?`` where a known name is near the word, else nothing.

    With a ``cutoff`` of 0 the nearest is named however far it is.
    """
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""


def near_choice(text: str) -> str:
    """Return a suggestion for a message that says ``'x' is not one of 'a', 'b'``."""
    choice = _CHOICE.search(text)
    return did_you_mean(choice["word"], re.findall("'([^']+)'", choice["known"])) if choice else ""


def near_path(path: Path) -> str:
    """Return a suggestion for a path that does not exist: what lies nearest in its folder."""
    if path.exists():
        return ""
    try:
        neighbours = sorted(path.parent.iterdir())[:_MOST_NEIGHBOURS]
    except OSError:
        return did_you_mean(str(path.parent), _folders_beside(path.parent))
    near = {neighbour.name: neighbour for neighbour in neighbours if not _hidden(neighbour)}
    found = difflib.get_close_matches(path.name, near, n=1)
    return f"; did you mean '{near[found[0]]}'?" if found else ""


def near_key(error: Exception, *structs: type) -> str:
    """Return a suggestion for an unknown key that msgspec found in a file.

    Parameters
    ----------
    error
        What msgspec said of it.
    *structs
        The structs whose fields are the keys that the file may have.
    """
    unknown = _UNKNOWN.search(str(error))
    if unknown is None:
        return ""
    known = {name for struct in structs for name in getattr(struct, "__struct_fields__", ())}
    return did_you_mean(unknown[1], sorted(known - {unknown[1]}))


def _folders_beside(folder: Path) -> list[str]:
    try:
        return [str(one) for one in folder.parent.iterdir() if one.is_dir() and not _hidden(one)]
    except OSError:
        return []


def _hidden(path: Path) -> bool:
    return path.name.startswith(".")
