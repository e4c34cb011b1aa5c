"""What other packages add to edgeseg: rows of a table, found through entry points."""

from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from edgeseg.errors import EdgesegError

_Row = TypeVar("_Row")


def plugins(group: str, kind: type[_Row]) -> tuple[_Row, ...]:
    """Load what installed packages register in an entry-point group, in the order of its names.

    Parameters
    ----------
    group
        Name of the entry-point group, such as ``edgeseg.scan_formats``.
    kind
        Class of what each entry point must name.

    Raises
    ------
    EdgesegError
        If one can't be imported or is of another class.
    """
    entries = sorted(entry_points(group=group), key=lambda entry: entry.name)
    return tuple(_load(entry, kind) for entry in entries)


def _load(entry: EntryPoint, kind: type[_Row]) -> _Row:
    package = entry.dist.name if entry.dist is not None else entry.module
    plugin = f"{entry.group} entry {entry.name!r} of the package {package}"
    try:
        row = entry.load()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise EdgesegError(f"{plugin} can't be loaded ({reason}); mend or remove it") from error
    if not isinstance(row, kind):
        raise EdgesegError(f"{plugin} is no {kind.__name__}; mend or remove the package")
    return row
