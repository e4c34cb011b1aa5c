"""A data set laid out for nnU-Net: ``imagesTr``, ``labelsTr`` and ``dataset.json``."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec

from edgeseg.errors import VolumeError
from edgeseg.labelled.labels import (
    BACKGROUND,
    CYST,
    HIGHEST,
    KIDNEY,
    KITS_VALUES,
    TUMOR,
)
from edgeseg.labelled.slices import LabelledSlices
from edgeseg.labelled.volumes import Case, slices_of
from edgeseg.text.suggestions import did_you_mean

Values: TypeAlias = tuple[int, ...]

_IMAGES, _LABELS, _SUFFIX, _CHANNEL = "imagesTr", "labelsTr", ".nii.gz", "_0000"
_KITS_NAMES = {
    "background": BACKGROUND,
    "kidney": KIDNEY,
    "tumor": TUMOR,
    "tumour": TUMOR,
    "cyst": CYST,
}
_MASSES = ("mass", "masses")


class _Dataset(msgspec.Struct):
    """The used part of ``dataset.json``: labels by value or values, or in version 1 by name."""

    labels: dict[str, int | str | list[int]]


def read_nnunet(folder: Path) -> LabelledSlices:
    """List all slices of a training set, in the order of its cases' names.

    ``dataset.json`` tells by name which label value is kidney, tumour and cyst; without one the
    values are KiTS's own.

    Returns
    -------
    tuple of LabelledSlice
        From feet to head within a case; none if there is no ``imagesTr/``.

    Raises
    ------
    VolumeError
        If there is no image, one has no label or several channels, the two lie on
        different grids, or ``dataset.json`` names other labels.
    """
    if not (folder / _IMAGES).is_dir():
        return ()
    dataset = folder / "dataset.json"
    values = _read_values(dataset) if dataset.is_file() else KITS_VALUES
    images = sorted(
        path for path in (folder / _IMAGES).glob(f"*{_SUFFIX}") if not path.name.startswith(".")
    )
    if not images:
        raise VolumeError(f"{folder / _IMAGES} has no NAME{_CHANNEL}{_SUFFIX}; put the CT there")
    source = folder.resolve().name
    return slices_of([_case(image, source, values) for image in images])


def _case(image: Path, source: str, values: Mapping[int, int]) -> Case:
    name, _, channel = image.name.removesuffix(_SUFFIX).rpartition("_")
    if not name or f"_{channel}" != _CHANNEL:
        raise VolumeError(
            f"{image} is no single CT channel; images are named NAME{_CHANNEL}{_SUFFIX}, "
            "one a case: one CT channel is needed"
        )
    label = image.parents[1] / _LABELS / f"{name}{_SUFFIX}"
    if not label.is_file():
        raise VolumeError(f"{image} has no label; {label} is missing")
    return Case(name, source, image, label, values)


def _read_values(path: Path) -> dict[int, int]:
    """Return the KiTS value of each label value that the data set defines."""
    try:
        labels = msgspec.json.decode(path.read_bytes(), type=_Dataset).labels
        return kits_values(labels)
    except (msgspec.MsgspecError, ValueError) as error:
        raise VolumeError(f"{path}: {error}; repair its labels") from None


def kits_values(labels: Mapping[str, int | str | list[int]]) -> dict[int, int]:
    """Return the KiTS value of each label value, from the names that a data set gives them.

    Parameters
    ----------
    labels
        ``{"kidney": 1}``; regions nested in one another, ``{"kidney": [1, 2, 3], "masses":
        [2, 3], "tumor": 2}``, where the smallest that holds a value tells what it is; or, as
        nnU-Net's version 1 writes, ``{"1": "kidney"}``.

    Raises
    ------
    ValueError
        If a name is none of background, kidney, tumor, cyst, or a value is not in 0..255.
    """
    regions = [_region(name, value) for name, value in labels.items()]
    tumors = {
        value for name, values in regions if _KITS_NAMES.get(name) == TUMOR for value in values
    }
    meaning: dict[int, int] = {}
    for name, values in sorted(regions, key=lambda region: len(region[1]), reverse=True):
        meaning.update(dict.fromkeys(values, _meaning(name, values, tumors)))
    return meaning


def _region(name: str, value: int | str | list[int]) -> tuple[str, Values]:
    """Return a label's name in small letters and the values that it has."""
    if isinstance(value, str):
        if not name.isdecimal():
            raise ValueError(f"the label {name!r} has no number")
        name, value = value, int(name)
    values = tuple(value) if isinstance(value, list) else (value,)
    if not all(0 <= number <= HIGHEST for number in values):
        raise ValueError(f"the values of label {name!r} are not all in 0..{HIGHEST}")
    return name.lower(), values


def _meaning(name: str, values: Values, tumors: set[int]) -> int:
    """Return the KiTS value of voxels that lie in this region and in no smaller one."""
    if name in _MASSES and tumors and tumors < set(values):
        return CYST  # a mass that is no tumour
    if name not in _KITS_NAMES:
        known = ", ".join(_KITS_NAMES)
        raise ValueError(
            f"the label {name!r} is unknown; known are {known}, and masses around tumor"
            f"{did_you_mean(name, _KITS_NAMES)}"
        )
    return _KITS_NAMES[name]
