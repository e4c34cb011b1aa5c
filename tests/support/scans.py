"""CT scans for tests of the whole way from file to file."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

TILTED = np.array(
    [[0.0, -0.8, 0.1, 12.5], [0.7, 0.0, 0.0, -40.0], [0.0, 0.1, 2.5, 300.0], [0, 0, 0, 1]]
)


AIR = -1000
"""HU of the outermost sagittal slice: without any air a scan is doubted."""


def _voxels(shape: tuple[int, ...]) -> NDArray[np.int16]:
    noise: NDArray[np.int16] = np.random.default_rng(2).integers(-200, 400, shape).astype(np.int16)
    noise[0] = AIR
    return noise


def write_ct(path: Path, shape: tuple[int, ...] = (48, 56, 5)) -> Path:
    """Write a CT with a qform and an sform of codes of their own."""
    image: Any = nib.Nifti1Image(_voxels(shape), TILTED)
    image.set_sform(TILTED, 2)
    image.set_qform(TILTED, 1, strip_shears=True)
    nib.save(image, path)
    return path


def names(folder: Path) -> set[str]:
    """Return the names of what is in a folder."""
    return {path.name for path in folder.iterdir()}
