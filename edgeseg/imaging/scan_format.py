"""What a format of scans is: the files it is kept in, and how they are read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from edgeseg.errors import EdgesegError
from edgeseg.imaging.scan import Scan
from edgeseg.progress import Progress

Read: TypeAlias = Callable[[Path, Progress], Scan]
"""Reads a path, and may tell how far it is."""

ReadSeries: TypeAlias = Callable[[Path, str, Progress], Scan]
"""The same, of the series that a text chooses."""


@dataclass(frozen=True, kw_only=True)
class ScanFormat:
    """One format of scans: a row of the table in :mod:`edgeseg.imaging.formats`.

    Masks go back in the format of their scan: :meth:`edgeseg.imaging.scan.Scan.write` does it.

    Attributes
    ----------
    name
        What it is called, such as ``NIfTI``.
    offer
        How a message asks for a scan of it, such as ``a NIfTI``.
    read
        Reads a path that :meth:`matches`.
    mask_ending
        How the name of a mask ends.
    volumes
        Endings, in lower case, of files that hold a whole volume.
    slices
        Endings of files that hold one slice; a folder of such files is a volume.
    recognize
        Tells whether a path that exists is of this format; if None, the endings of the file, or
        of the files in the folder, tell.
    read_series
        Reads the series of a path that a text chooses; None where a path holds one scan only.

    Raises
    ------
    ValueError
        If a text is empty, no ending is given, or one isn't lower case with a dot.
    """

    name: str
    offer: str
    read: Read
    mask_ending: str
    volumes: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    recognize: Callable[[Path], bool] | None = None
    read_series: ReadSeries | None = None

    def __post_init__(self) -> None:
        """Refuse a row that lacks what others rely on."""
        if not (self.name and self.offer and self.endings):
            raise ValueError(f"the scan format {self.name!r} needs a name, an offer and an ending")
        for ending in (*self.endings, self.mask_ending):
            if not ending.startswith(".") or ending != ending.lower():
                raise ValueError(f"{ending!r} of {self.name} is no ending like '.nii', lower case")

    @property
    def endings(self) -> tuple[str, ...]:
        """Endings of all its files."""
        return self.volumes + self.slices

    def matches(self, path: Path) -> bool:
        """Tell whether a path that exists is a scan of this format."""
        if self.recognize is not None:
            return self.recognize(path)
        if path.is_dir():
            files = (file for file in path.iterdir() if not file.name.startswith("."))
            return any(_ends(file, self.slices) for file in files)
        return _ends(path, self.endings)

    def is_volume(self, file: Path) -> bool:
        """Tell by its name whether a file holds a whole volume."""
        return _ends(file, self.volumes)

    def ending_for(self, path: Path) -> str:
        """Return how the name of a scan's mask ends; slices in a folder have theirs in one, too."""
        return "" if path.is_dir() and self.mask_ending in self.slices else self.mask_ending

    def open(self, path: Path, series: str | None, progress: Progress) -> Scan:
        """Read a scan.

        Raises
        ------
        EdgesegError
            If the reader returns something that lacks a part of a scan.
        """
        if series is None or self.read_series is None:
            scan = self.read(path, progress)
        else:
            scan = self.read_series(path, series, progress)
        lacking = [part for part in _PARTS if not hasattr(scan, part)]
        if lacking:
            raise EdgesegError(
                f"what reads {self.name} returns a scan without {', '.join(lacking)}; see "
                "edgeseg.imaging.scan.Scan"
            )
        return scan


_PARTS = ("__len__", *(part for part in dir(Scan) if not part.startswith("_")))


def _ends(file: Path, endings: tuple[str, ...]) -> bool:
    return file.name.lower().endswith(endings)
