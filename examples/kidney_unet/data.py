"""Labelled slices as a training sees them: 8 bit over the model's window, kept while they fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgeseg.bundle.manifest import Decoding, Preprocessing
from edgeseg.imaging.levels import window
from edgeseg.labelled import UNKNOWN, LabelledSlice
from edgeseg.scoring.dice import KITS_REGIONS

Bytes: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]

SIZE = 256
"""Rows and columns of the model's slices."""
PREPROCESSING = Preprocessing((0.0, 255.0), (SIZE, SIZE))
DECODING = Decoding("sigmoid", (1, 3, 2))
"""The model's outputs are the nested KiTS regions; painted in this order they give the labels."""

FULL = np.uint8(255)


@dataclass(frozen=True, slots=True)
class Example:
    """One slice in display orientation: 8 bit over the window, and KiTS labels; both (H, W)."""

    image: Bytes
    label: Bytes


class Shelf:
    """Reads slices as :class:`Example` and keeps those that fit into ``limit`` bytes."""

    def __init__(self, limit: int = 2 << 30) -> None:
        self._room = limit
        self._kept: dict[tuple[str, str], Example] = {}

    def read(self, labelled: LabelledSlice) -> Example:
        """Return a slice in 8 bit.

        Raises
        ------
        VolumeError
            If the slice can't be read.
        """
        key = (labelled.source, labelled.name)
        if key not in self._kept:
            image, label = labelled.read()
            if not labelled.windowed:
                image = window(image, PREPROCESSING.window)
            example = Example(np.asarray(image, np.uint8), label)
            if example.image.nbytes + label.nbytes > self._room:
                return example
            self._room -= example.image.nbytes + label.nbytes
            self._kept[key] = example
        return self._kept[key]


def regions(label: Bytes) -> Bytes:
    """Turn labels (H, W) into the nested KiTS regions (H, W, 3), 0 or 1."""
    planes = [np.isin(label, values) for values in KITS_REGIONS.values()]
    return np.stack(planes, axis=-1).astype(np.uint8)


def reduce_image(image: Bytes, columns: int, rows: int) -> Bytes:
    """Resample an 8-bit image to (rows, columns) as the running system does."""
    size = (columns, rows)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def reduce_label(label: Bytes, columns: int, rows: int) -> Floats:
    """Resample a label (H, W) to regions (rows, columns, 3): 1 where one fills half a pixel.

    A pixel of which part is unknown is -1.
    """
    if not label.any():
        return np.zeros((rows, columns, len(KITS_REGIONS)), np.float32)
    planes = np.moveaxis(regions(label) * FULL, -1, 0)
    shrunk = [
        np.asarray(Image.fromarray(plane).resize((columns, rows), Image.Resampling.BOX))
        for plane in planes
    ]
    reduced = (np.stack(shrunk, axis=-1) > FULL // 2).astype(np.float32)
    unknown = label == UNKNOWN
    if unknown.any():
        plane = Image.fromarray(unknown * FULL).resize((columns, rows), Image.Resampling.BOX)
        reduced[np.asarray(plane) > 0] = -1
    return reduced


def write_pictures(slices: Sequence[LabelledSlice], folder: Path) -> None:
    """Write slices as 8-bit pictures to calibrate a conversion on; labels are left behind."""
    folder.mkdir(parents=True, exist_ok=True)
    shelf = Shelf()
    for piece in slices:
        target = folder / f"{piece.source}-{Path(piece.name).stem}.png"
        if not target.exists():
            Image.fromarray(shelf.read(piece).image).save(target)
