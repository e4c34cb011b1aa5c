"""Slices that a conversion is calibrated and checked on: real ones, or seeded noise."""

from pathlib import Path

import numpy as np

from edgeseg.manifest import Preprocessing
from edgeseg.scan import read_scan
from edgeseg.slices import to_input, to_model
from edgeseg_converters.chain import Image

MAX_SLICES = 32


def real_images(path: Path, preprocessing: Preprocessing, most: int = MAX_SLICES) -> list[Image]:
    """Read slices, evenly spread over a scan, as model inputs (1, H, W, C).

    Parameters
    ----------
    path
        A NIfTI volume, an 8-bit PNG slice, or a folder of them.
    most
        How many slices are read at most.

    Raises
    ------
    VolumeError
        If the scan can't be used.
    """
    scan = read_scan(path)
    chosen = np.linspace(0, len(scan) - 1, min(most, len(scan))).round().astype(int)
    return [
        to_input(
            to_model(
                scan.slice(index), scan.geometry(index), preprocessing, windowed=scan.windowed
            ),
            preprocessing,
        )
        for index in chosen.tolist()
    ]


def noise_images(preprocessing: Preprocessing, count: int) -> list[Image]:
    """Make model inputs (1, H, W, C) of uniform noise, the same ones each time."""
    generator = np.random.default_rng(0)
    levels = generator.integers(0, 256, (count, *preprocessing.size), dtype=np.uint8)
    return [to_input(grey, preprocessing) for grey in levels]
