"""Compare a mask with a reference: the same grid, something found, and almost the same voxels.

Run as ``check_mask.py MASK REFERENCE``. Float32 networks give equal masks on ARM and x86; int8
kernels round differently, so a few voxels may differ there. Exit code 1 if more of them do.
"""

import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

MOST_APART = 0.02
"""Share of voxels; int8 masks of pure noise differ in 1.4 %."""


def main(mask: Path, reference: Path) -> None:
    """Print how alike two masks are, and end with 1 unless they are alike."""
    found, found_place = read(mask)
    expected, expected_place = read(reference)
    if found.shape != expected.shape or not np.array_equal(found_place, expected_place):
        sys.exit(f"{mask} is on another grid than {reference}")
    apart = float((found != expected).mean())
    print(f"   {found.size} voxels, {int((found > 0).sum())} labelled, {apart:.3%} apart")
    if apart > MOST_APART:
        sys.exit(f"{mask} differs from {reference} in more than {MOST_APART:.0%} of the voxels")


def read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return labels and affine (4, 4); that of a picture is the identity."""
    if path.suffix == ".png":
        return np.asarray(Image.open(path), np.uint8), np.eye(4)
    image: Any = nib.load(path)
    return np.asarray(image.dataobj, np.uint8), image.affine


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
