"""The boards at hand: where they listen, what they have, and the file that lists them."""

import math
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgeseg.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Board:
    """A machine or a share of one, as placement sees it.

    Parameters
    ----------
    name
        Unique among the boards of a run.
    memory_limit
        Bytes that its worker promises not to exceed.
    base_memory
        Bytes that the worker takes before any piece.
    cores
        How many pieces it runs at once.
    speed
        FLOP/s of one core, relative to the other boards.
    """

    name: str
    memory_limit: int
    base_memory: int = 0
    cores: int = 1
    speed: float = 1.0


class BoardEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[[board]]`` of a boards file."""

    name: str
    endpoint: str
    speed: float = 1.0


class _BoardsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    board: tuple[BoardEntry, ...]


def read_boards(path: Path) -> tuple[BoardEntry, ...]:
    """Read a boards file.

    Raises
    ------
    UsageError
        If it is missing, no TOML, has unknown keys, duplicate names, or a speed of no sense.
    """
    try:
        entries = msgspec.convert(
            tomllib.loads(path.read_text(encoding="utf-8")), _BoardsFile
        ).board
    except OSError as error:
        raise UsageError(f"can't read the boards file {path} ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{path} is no boards file: {error}") from None
    names = [entry.name for entry in entries]
    if not entries or len(set(names)) < len(names):
        raise UsageError(f"{path} must list at least one [[board]], each with a name of its own")
    if not all(0 < entry.speed < math.inf for entry in entries):
        raise UsageError(f"{path}: speed must be a number above zero")
    return entries
