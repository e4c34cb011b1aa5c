"""Finds the volumes of a study, and names them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import UsageError
from edgeseg.imaging.formats import scan_formats
from edgeseg.text.suggestions import near_path

_KITS_NAME = "imaging.nii.gz"
"""The file name of every volume of KiTS, where the folder has the name."""

_FILES_EXAMINED = 20
_GIVE = "give NIfTI files, DICOM folders or zips, PNG folders, or a folder of these"


@dataclass(frozen=True)
class StudyVolume:
    """One volume of a study: its name, which no other has, and where it is."""

    name: str
    path: Path


def list_volumes(inputs: Sequence[Path], output: Path) -> tuple[StudyVolume, ...]:
    """List the volumes of a study in the order they were given; what is given twice counts once.

    A volume is named like its file or folder, an ``imaging.nii.gz`` like the folder it is in, and
    there it is the only one. A folder is a volume if it holds DICOM files or PNGs itself; else
    the NIfTIs and zips in it are, and all that is found so in its sub-folders.

    Parameters
    ----------
    inputs
        Files and folders.
    output
        Folder of the masks; it is never looked into.

    Raises
    ------
    UsageError
        If an input is missing, a folder holds no volume, two volumes have one name, or the masks
        would lie among the inputs.
    """
    output = output.absolute()
    volumes: dict[str, StudyVolume] = {}
    for path in (path for source in inputs for path in _volumes_at(source.absolute(), output)):
        volume = StudyVolume(_name(path), path)
        other = volumes.setdefault(volume.name, volume)
        if other.path.resolve() != path.resolve():
            raise UsageError(
                f"{other.path} and {path} would both be called {volume.name}; rename one of them, "
                "or study them into folders of their own"
            )
    _refuse_output_among(volumes.values(), output)
    return tuple(volumes.values())


def _volumes_at(path: Path, output: Path) -> Iterator[Path]:
    """Yield the volume that a path is, or those in its folder."""
    if not path.exists():
        raise UsageError(f"{path} does not exist; {_GIVE}{near_path(path)}")
    if not path.is_dir():
        yield path
        return
    volumes = list(_volumes_in(path, output))
    if not volumes:
        raise UsageError(f"{path} holds no volume; {_GIVE}")
    yield from volumes


def _volumes_in(folder: Path, output: Path) -> Iterator[Path]:
    if (folder / _KITS_NAME).is_file():
        yield folder / _KITS_NAME
        return
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    if _holds_slices(entries):
        yield folder
        return
    for entry in entries:
        if entry.is_dir() and entry.resolve() != output.resolve():
            yield from _volumes_in(entry, output)
        elif _is_volume(entry):
            yield entry


def _holds_slices(entries: Iterable[Path]) -> bool:
    """Return whether these are the slices of one volume, judging by the first files."""
    files = [entry for entry in entries if entry.is_file() and not _is_volume(entry)]
    formats = [row for row in scan_formats() if row.slices]
    return any(row.matches(file) for file in files[:_FILES_EXAMINED] for row in formats)


def _is_volume(path: Path) -> bool:
    return any(row.is_volume(path) for row in scan_formats())


def _name(path: Path) -> str:
    if path.name == _KITS_NAME:
        return path.parent.name
    endings = (ending for row in scan_formats() for ending in row.endings)
    end = next((ending for ending in endings if path.name.lower().endswith(ending)), "")
    return path.name[: -len(end) or None]


def _refuse_output_among(volumes: Iterable[StudyVolume], output: Path) -> None:
    """Refuse an output folder that holds inputs: its masks would be inputs the next time."""
    for volume in volumes:
        if output.resolve() in (volume.path.resolve(), volume.path.resolve().parent):
            raise UsageError(f"{output} holds inputs; give masks a folder of their own with -o")
