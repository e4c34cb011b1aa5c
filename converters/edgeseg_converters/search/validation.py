"""The slices that a search measures on: none of them may have been calibrated on."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.bundle_file import digest
from edgeseg.errors import UsageError, field_name
from edgeseg.imaging.formats import read_scan
from edgeseg.labelled import LabelledSlice, read_labelled
from edgeseg.labelled.pictures import patient_of
from edgeseg.progress import Progress, silent
from edgeseg_converters.compare.bundles import slices_of

_CASE_MARK = "_z"
"""Pictures named ``case_00025_z060`` tell their patient beyond doubt."""


@dataclass(frozen=True)
class Validation:
    """Labelled slices of some patients, and a SHA-256 of all their pixels."""

    slices: tuple[LabelledSlice, ...]
    digest: str


def read_validation(
    folder: Path, patients: Iterable[str] | None, calibration: Path, progress: Progress = silent
) -> Validation:
    """Read labelled slices to measure on, all of them new to the compiler.

    Parameters
    ----------
    folder
        As :func:`edgeseg.labelled.read_labelled` knows them.
    patients
        Measure on these alone.
    calibration
        What is calibrated and fine-tuned on: no image and, where file names tell patients, no
        patient of it may be among the labelled slices.
    progress
        Told how many slices are read.

    Raises
    ------
    UsageError
        If a patient is unknown, or is calibrated on too.
    VolumeError
        If the slices can't be read.
    """
    slices = slices_of(read_labelled(folder, progress), patients)
    calibrated = _read_calibration(calibration, progress)
    _refuse({labelled.patient for labelled in slices} & calibrated.patients, calibration)
    prints = []
    with progress(len(slices), "reading the validation slices") as advance:
        for labelled in slices:
            image, truth = labelled.read()
            pixels = _fingerprint(image)
            if pixels in calibrated.images and np.ptp(image):
                _refuse({labelled.patient}, calibration)
            prints.append(f"{labelled.patient} {labelled.name} {pixels} {_fingerprint(truth)}")
            advance()
    return Validation(slices, digest("\n".join(prints).encode()))


@dataclass(frozen=True)
class _CalibrationSlices:
    """Fingerprints of the slices that are calibrated on, and the patients their names tell."""

    images: frozenset[str]
    patients: frozenset[str]


def _read_calibration(calibration: Path, progress: Progress) -> _CalibrationSlices:
    scan = read_scan(calibration, progress=progress)
    prints = []
    with progress(len(scan), "reading the calibration slices") as advance:
        for index in range(len(scan)):
            prints.append(_fingerprint(scan.slice(index)))
            advance()
    names = map(scan.name, range(len(scan)))
    patients = (patient_of(name) for name in names if _CASE_MARK in name)
    return _CalibrationSlices(frozenset(prints), frozenset(patients))


def _fingerprint(array: NDArray[Any]) -> str:
    return digest(f"{array.dtype} {array.shape} ".encode() + array.tobytes())


def _refuse(patients: set[str], calibration: Path) -> None:
    if patients:
        raise UsageError(
            f"{min(patients)} would be validated on, but {calibration} has slices of the same "
            f"patient; leave them out of {field_name('calibration')}, or choose others with "
            f"{field_name('patients')}"
        )
