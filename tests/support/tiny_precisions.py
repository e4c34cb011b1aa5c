"""Run as ``tiny_precisions.py FOLDER``: the tiny U-Net beside it in every lower precision."""

import sys
from pathlib import Path

import nibabel as nib
import numpy as np

from edgeseg_converters import convert

PRECISIONS = ("float16", "dynamic", "int8")


def main(folder: Path) -> None:
    """Read ``tiny.keras``, write ``PRECISION.edgeseg`` in three pieces each."""
    noise = np.random.default_rng(5).integers(0, 256, (64, 64, 4), dtype=np.int16)
    scan = folder / "calibration.nii"
    nib.save(nib.Nifti1Image(noise, np.eye(4)), scan)
    for precision in PRECISIONS:
        bundle = folder / f"{precision}.edgeseg"
        convert(
            folder / "tiny.keras", bundle, max_partitions=3, quantize=precision, calibration=scan
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
