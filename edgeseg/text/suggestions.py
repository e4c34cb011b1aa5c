"""Suggestions for the end of an error message: the nearest known name."""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

_UNKNOWN = re.compile(r"unknown field `(.+?)`")
_CHOICE = re.compile(r"'(?P<word>[^']*)' is not one of (?P<known>.*)")
_MOST_NEIGHBOURS = 1000


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``; did you mean 'x'?`` where a known name is near the word, else an empty text.

    Parameters
    ----------
    word
        What was given.
    known
        What could have been given.
    cutoff
        How near it must be, 0..1; with 0 the nearest name is suggested however far it is.
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
    matches = difflib.get_close_matches(path.name, near, n=1)
    return f"; did you mean '{near[matches[0]]}'?" if matches else ""


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
        siblings = list(folder.parent.iterdir())
    except OSError:
        return []
    return [str(path) for path in siblings if path.is_dir() and not _hidden(path)]


def _hidden(path: Path) -> bool:
    return path.name.startswith(".")
