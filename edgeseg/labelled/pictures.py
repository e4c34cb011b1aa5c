"""PNG slices with PNG labels of the same names: ``images/`` beside ``labels/`` or ``masks/``.

A folder of several such data sets is their union. ``case_00025_z060.png`` is of the patient
``case_00025``; else the patient is what stands before the first underscore of the name.
``case_00025_zmid.png`` is of ``case_00025`` too.

A data set whose ``index.csv`` has a column ``unknown_px`` marks pixels of unknown label by 255.
Slices of which nothing is known are left out.
"""

import csv
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from edgeseg.errors import VolumeError
from edgeseg.imaging.levels import Grey
from edgeseg.imaging.png import Pictures, read_pictures
from edgeseg.imaging.slices import Mask
from edgeseg.labelled.labels import KITS_VALUES, UNKNOWN, WITH_UNKNOWN, to_kits
from edgeseg.labelled.slices import LabelledSlice, LabelledSlices
from edgeseg.progress import Progress, silent

_IMAGES = "images"
_LABELS = ("labels", "masks")
_INDEX, _UNKNOWN_COLUMN = "index.csv", "unknown_px"
_MIDDLE = "mid"


def read_labelled_pictures(folder: Path, progress: Progress = silent) -> LabelledSlices:
    """List the slices of one PNG data set, or of all that are subfolders.

    Every label is read once, so that a wrong one is found before a training starts.

    Returns
    -------
    tuple of LabelledSlice
        In the natural order of their names; none if there is no ``images/``.

    Raises
    ------
    VolumeError
        If there are images without labels, a picture is no 8-bit grey PNG, sizes differ, or a
        label has other values than KiTS's.
    """
    if (folder / _IMAGES).is_dir():
        return _read_source(folder, progress)
    sources = sorted(path.parent for path in folder.glob(f"*/{_IMAGES}") if path.is_dir())
    return sum((_read_source(source, progress) for source in sources), ())


def patient_of(stem: str) -> str:
    """Return the patient's name, which begins the name of a picture."""
    case, _, number = stem.rpartition("_z")
    return case if case and (number.isdecimal() or number == _MIDDLE) else stem.partition("_")[0]


def _read_source(folder: Path, progress: Progress) -> LabelledSlices:
    """List one data set, all of it checked but the images' pixels."""
    label_folder = _label_folder(folder)
    images, labels = read_pictures(folder / _IMAGES), read_pictures(label_folder)
    places = {file.name: place for place, file in enumerate(labels.files)}
    source, values = folder.resolve().name, _label_values(folder)
    slices: list[LabelledSlice] = []
    with progress(len(images), f"Checking the labels of {source}") as advance:
        for index, file in enumerate(images.files):
            if file.name not in places:
                raise VolumeError(f"{file} has no label; {labels.path / file.name} is missing")
            read = partial(_read_pair, images, index, labels, places[file.name], values)
            _check_size(images, index, labels, places[file.name])
            advance()
            if (_read_label(labels, places[file.name], values) == UNKNOWN).all():
                continue
            name, geometry = images.name(index), images.geometry(index)
            slices.append(
                LabelledSlice(patient_of(name), source, name, geometry, windowed=True, read=read)
            )
    return tuple(slices)


def _label_folder(folder: Path) -> Path:
    for name in _LABELS:
        if (folder / name).is_dir():
            return folder / name
    names = " or ".join(f"{name}/" for name in _LABELS)
    raise VolumeError(f"{folder} has {_IMAGES}/ without labels; put them into {names} beside it")


def _check_size(images: Pictures, index: int, labels: Pictures, place: int) -> None:
    if images.sizes[index] != labels.sizes[place]:
        image, label = (
            f"{rows}x{cols}" for rows, cols in (images.sizes[index], labels.sizes[place])
        )
        raise VolumeError(
            f"{images.files[index]} is {image} but its label {labels.files[place]} is {label}; "
            "sizes must agree"
        )


def _label_values(folder: Path) -> Mapping[int, int]:
    """Return the KiTS value of each value that labels may hold, by the index of the data set."""
    index = folder / _INDEX
    if index.is_file():
        with index.open(newline="", encoding="utf-8", errors="replace") as file:
            if _UNKNOWN_COLUMN in next(csv.reader(file), []):
                return WITH_UNKNOWN
    return KITS_VALUES


def _read_pair(
    images: Pictures, index: int, labels: Pictures, place: int, values: Mapping[int, int]
) -> tuple[Grey, Mask]:
    return images.slice(index), _read_label(labels, place, values)


def _read_label(labels: Pictures, place: int, values: Mapping[int, int]) -> Mask:
    return to_kits(labels.slice(place), values, labels.files[place])
