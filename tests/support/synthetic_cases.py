"""Semi-synthetic KiTS cases: the shapes of a label volume, with HU drawn into them."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

AIR, BODY = -1000, 40
HU = {1: 180, 2: 90, 3: 10}
"""Kidney, tumour and cyst, as with contrast."""
NOISE = 8
IPL = np.array([[0, 0, -0.8, 30], [0, -0.7, 0, 40], [-2.5, 0, 0, 500], [0, 0, 0, 1.0]])
"""A stored geometry with axes to inferior, posterior and left, as KiTS's."""
_MARGIN = 24


def drawn_label(shape: tuple[int, int, int] = (5, 20, 28)) -> Any:
    """Draw a label volume: a kidney at either side, the right with a tumour, the left a cyst."""
    slices, rows, cols = np.indices(shape) / np.array(shape).reshape(3, 1, 1, 1)
    label = np.zeros(shape, np.uint8)
    for col, value in ((0.3, 2), (0.7, 3)):
        distance = (slices - 0.4) ** 2 / 4 + (rows - 0.6) ** 2 + (cols - col) ** 2
        label[distance < 0.03] = 1
        label[distance < 0.006] = value
    return nib.Nifti1Image(label, IPL)


def reduced_label(path: Path, step: tuple[int, int, int] = (16, 4, 4)) -> Any:
    """Cut a real label volume to what surrounds its labels, and keep every ``step``-th voxel."""
    stored: Any = nib.load(path)
    label = np.asarray(stored.dataobj, np.uint8)
    first, last = _extent(label)
    start, stop = np.maximum(first - _MARGIN, 0), last + _MARGIN
    box = tuple(slice(*bounds) for bounds in zip(start, stop, step, strict=True))
    moved = np.diag([*step, 1.0])
    moved[:3, 3] = start
    return nib.Nifti1Image(label[box], stored.affine @ moved)


def imaging(label: Any, seed: int = 0) -> Any:
    """Draw the CT of a label volume: an elliptic body in air, organs of their HU, noise."""
    values = np.asarray(label.dataobj)
    _, rows, cols = values.shape
    row, col = np.ogrid[-1 : 1 : rows * 1j, -1 : 1 : cols * 1j]
    image = np.broadcast_to(np.where(row**2 + col**2 < 1, BODY, AIR), values.shape).copy()
    for value, hu in HU.items():
        image[values == value] = hu
    noise = np.random.default_rng(seed).normal(0, NOISE, values.shape)
    return nib.Nifti1Image((image + noise).round().astype(np.int16), label.affine)


def write_case(folder: Path, name: str, label: Any, seed: int = 0) -> Path:
    """Write ``NAME/imaging.nii.gz`` and ``segmentation.nii.gz``; return the folder ``NAME``."""
    case = folder / name
    case.mkdir(parents=True)
    nib.save(imaging(label, seed), case / "imaging.nii.gz")
    nib.save(label, case / "segmentation.nii.gz")
    return case


def write_nnunet(folder: Path, name: str, label: Any, seed: int = 0) -> Path:
    """Write ``imagesTr/NAME_0000.nii.gz`` and ``labelsTr/NAME.nii.gz``; return the image."""
    image = folder / "imagesTr" / f"{name}_0000.nii.gz"
    for part in (image.parent, folder / "labelsTr"):
        part.mkdir(parents=True, exist_ok=True)
    nib.save(imaging(label, seed), image)
    nib.save(label, folder / "labelsTr" / f"{name}.nii.gz")
    return image


def _extent(label: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first and the last index, of each axis, where something is labelled."""
    others = ((1, 2), (0, 2), (0, 1))
    used = [np.flatnonzero(label.any(axis=axes)) for axes in others]
    return np.array([hits[0] for hits in used]), np.array([hits[-1] + 1 for hits in used])
