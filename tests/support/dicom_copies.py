"""Copies of a real DICOM series, small ones and damaged ones."""

from collections.abc import Callable
from pathlib import Path

import highdicom
import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

COARSER = 8
STUDY, SERIES = generate_uid(), generate_uid()
NAME = "Doe^Jane"

Change = Callable[[Dataset], None]


def identified(dataset: Dataset) -> Dataset:
    """Give an anonymous slice the identity that a hospital's has."""
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, SERIES
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID = NAME, "4711"
    dataset.PatientBirthDate, dataset.PatientSex = "19500101", "F"
    dataset.SeriesNumber = 3
    return dataset


def write_small(series: Path, folder: Path) -> Path:
    """Write every eighth pixel of a series, not compressed, under names in no order."""
    folder.mkdir()
    for number, file in enumerate(sorted(series.iterdir())):
        dataset = identified(pydicom.dcmread(file))
        pixels = np.ascontiguousarray(dataset.pixel_array[::COARSER, ::COARSER])
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.PixelSpacing = [COARSER * float(mm) for mm in dataset.PixelSpacing]
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset["PixelData"].is_undefined_length = False
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(folder / f"{number * 7 % 20:02}.dcm")
    return folder


def by_position(folder: Path) -> list[Path]:
    """Return the files of a series from feet to head."""
    return sorted(
        (file for file in folder.iterdir() if file.suffix == ".dcm"),
        key=lambda file: float(pydicom.dcmread(file).ImagePositionPatient[2]),
    )


def change(file: Path, edit: Change, target: Path | None = None) -> Path:
    """Change the data set of a file, in place or into another file of a UID of its own."""
    dataset = pydicom.dcmread(file)
    edit(dataset)
    if target is not None:
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.save_as(target or file)
    return target or file


def setting(**values: object) -> Change:
    """Return what sets elements of a data set."""

    def edit(dataset: Dataset) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return edit


def another_series(folder: Path, target: Path, **values: object) -> Path:
    """Write a second series of the same study, its elements changed."""
    target.mkdir()
    uid = generate_uid()
    for file in folder.iterdir():
        change(file, setting(SeriesInstanceUID=uid, **values), target / file.name)
    return target


def enhanced(datasets: list[Dataset]) -> Dataset:
    """Put the slices of a series into one file of as many frames."""
    uids = generate_uid(), generate_uid()
    return highdicom.legacy.LegacyConvertedEnhancedCTImage(datasets, uids[0], 5, uids[1], 1)
