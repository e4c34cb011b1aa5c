"""DICOM series that are drawn: a body with a bright and a dark block in air, no patient's."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SIZE = 64
COUNT = 10

Odd = Callable[[int], Mapping[str, object]]
"""Gives the elements in which a slice differs; None takes an element out."""


def drawn_hu(index: int) -> NDArray[np.int16]:
    """Return the HU of a slice, (rows, columns)."""
    rows, cols = np.mgrid[:SIZE, :SIZE]
    hu = np.full((SIZE, SIZE), -1000, np.int16)
    hu[np.hypot(rows - SIZE / 2, cols - SIZE / 2) < 28] = 40
    hu[20:34, 14:24] = 150 + index
    hu[36:44, 40:46] = -80
    return hu


def drawn_slice(index: int, **odd: object) -> Dataset:
    """Return a slice as a scanner writes it, 3 mm from the one before."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.Modality, dataset.Manufacturer = "CT", "drawn"
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20200102", "101112", ""
    dataset.ReferringPhysicianName, dataset.StudyID = "", "1"
    dataset.PatientName, dataset.PatientID = "Drawn^Case", "D1"
    dataset.PatientBirthDate, dataset.PatientSex = "", "O"
    for kind in ("Study", "Series"):
        setattr(dataset, f"{kind}InstanceUID", generate_uid(entropy_srcs=[kind]))
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame"])
    dataset.SeriesNumber, dataset.SeriesDescription = 2, "abdomen"
    dataset.AcquisitionNumber, dataset.InstanceNumber = 1, index + 1
    dataset.PositionReferenceIndicator = ""
    dataset.ImagePositionPatient = [-90.0, -80.0, 300 + 3.0 * index]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [3.0, 3.0], 3
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = SIZE
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = -1024, 1, "HU"
    dataset.PixelData = (drawn_hu(index) + 1024).astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    for keyword, value in odd.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def draw_series(folder: Path, odd: Odd = lambda _: {}, count: int = COUNT) -> Path:
    """Write a series; ``odd`` gives the elements in which each slice differs."""
    folder.mkdir(exist_ok=True)
    for index in range(count):
        dataset = drawn_slice(index, **odd(index))
        dataset.save_as(folder / f"IM{index * 7 % count:03}", enforce_file_format=True)
    return folder
