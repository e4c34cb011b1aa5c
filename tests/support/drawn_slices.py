"""Slices drawn for tests: a grey body with two bright kidneys, one of them with a tumour."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgeseg.imaging.slices import SliceGeometry
from edgeseg.labelled import LabelledSlice

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def drawn(seed: int = 0, side: int = 128) -> Pair:
    """Draw an 8-bit image and its KiTS labels, (side, side)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side] / side
    image = np.where((rows - 0.5) ** 2 + (columns - 0.5) ** 2 < 0.16, 60, 0).astype(np.uint8)
    label = np.zeros_like(image)
    for column in (0.35, 0.65):
        inside = (rows - 0.6) ** 2 + (columns - column) ** 2 < 0.006
        image[inside], label[inside] = 180, 1
    tumor = (rows - 0.55) ** 2 + (columns - 0.7) ** 2 < 0.003
    image[tumor], label[tumor] = 120, 2
    image[image > 0] += rng.integers(0, 10, (image > 0).sum(), np.uint8)
    return image, label


def labelled(pair: Pair, patient: str = "case_00001", number: int = 0) -> LabelledSlice:
    """Name a pair as a slice of a patient."""
    geometry = SliceGeometry(*pair[0].shape)
    name = f"{patient}_z{number:03}"
    return LabelledSlice(patient, "drawn", name, geometry, windowed=True, read=lambda: pair)


def write(folder: Path, patients: dict[str, int], side: int = 128) -> Path:
    """Write so many drawn slices of each patient as PNGs in ``images`` and ``labels``."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    seeds = iter(range(1000))
    for patient, count in patients.items():
        for number in range(count):
            for kind, pixels in zip(("images", "labels"), drawn(next(seeds), side), strict=True):
                Image.fromarray(pixels).save(folder / kind / f"{patient}_z{number:03}.png")
    return folder
