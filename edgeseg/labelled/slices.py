"""A labelled slice, and how slices are told apart by patient."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from edgeseg.errors import UsageError
from edgeseg.imaging.levels import Grey, Hounsfield
from edgeseg.imaging.slices import Mask, SliceGeometry
from edgeseg.text.suggestions import did_you_mean

_NAMED = 5


@dataclass(frozen=True, slots=True)
class LabelledSlice:
    """One axial CT slice with its label, read when asked for.

    Attributes
    ----------
    patient
        The patient's name in the data set, such as ``case_00025``.
    source
        The name of the data set's folder.
    name
        Name of the slice, unique within its source.
    geometry
        Size and spacing, without reading a pixel.
    windowed
        Whether the image is an 8-bit picture that has been windowed already, not HU.
    read
        Returns the image and its label in KiTS values (0 background, 1 kidney, 2 tumour, 3 cyst;
        255 where a data set says that it is unknown), both (rows, columns) in
        display orientation: anterior at the top, the patient's right at the left. Raises
        VolumeError if the file is damaged or a label value is unknown.
    """

    patient: str
    source: str
    name: str
    geometry: SliceGeometry
    windowed: bool
    read: Callable[[], tuple[Hounsfield | Grey, Mask]]


LabelledSlices: TypeAlias = tuple[LabelledSlice, ...]


def by_patient(slices: Iterable[LabelledSlice]) -> dict[str, LabelledSlices]:
    """Return the slices of each patient, in order of first appearance."""
    groups: dict[str, list[LabelledSlice]] = {}
    for labelled in slices:
        groups.setdefault(labelled.patient, []).append(labelled)
    return {patient: tuple(group) for patient, group in groups.items()}


def split(
    slices: Iterable[LabelledSlice], held_out: Iterable[str]
) -> tuple[LabelledSlices, LabelledSlices]:
    """Divide slices into those to train on and those of the held-out patients.

    Raises
    ------
    UsageError
        If a held-out patient has no slice, or nobody is left to train on.
    """
    groups, validation_patients = by_patient(slices), frozenset(held_out)
    if unknown := sorted(validation_patients - groups.keys()):
        near = did_you_mean(unknown[0], groups)
        raise UsageError(f"no slices of {unknown[0]}; patients are {_first_of(groups)}{near}")
    if validation_patients == groups.keys():
        raise UsageError("every patient is held out; leave some to train on")
    train = (group for patient, group in groups.items() if patient not in validation_patients)
    validation = (group for patient, group in groups.items() if patient in validation_patients)
    return sum(train, ()), sum(validation, ())


def refuse_shared_patients(
    train: Iterable[LabelledSlice], validation: Iterable[LabelledSlice]
) -> None:
    """Refuse two sets of slices that show the same patient.

    Raises
    ------
    UsageError
        If a patient is in both; figures on known patients say nothing of new ones.
    """
    known = by_patient(train)
    if shared := [patient for patient in by_patient(validation) if patient in known]:
        raise UsageError(
            f"{_first_of(shared)} would be trained on and validated on; keep each patient in one "
            "folder"
        )


def _first_of(patients: Iterable[str]) -> str:
    """Return the names of the first few patients."""
    names = list(patients)
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + rest
