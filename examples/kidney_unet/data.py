"""Labelled CT slices from folders of PNGs, and their split by patient."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgeseg.errors import UsageError, VolumeError

Bytes: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]

KIDNEY, TUMOR, CYST = 1, 2, 3
REGIONS = {
    "kidney_and_mass": (KIDNEY, TUMOR, CYST),
    "mass": (TUMOR, CYST),
    "tumor": (TUMOR,),
}
"""The nested KiTS regions, in the order of the model's outputs."""
FULL = np.uint8(255)


@dataclass(frozen=True, slots=True)
class Source:
    """How one hospital's folder is laid out."""

    folder: str
    labels: str
    values: tuple[int, ...]


SOURCES = (
    Source("kits19_slices", "labels", (0, KIDNEY, TUMOR)),
    Source("curvas", "masks", (0, KIDNEY)),
)


@dataclass(frozen=True)
class LabelledSlice:
    """One axial slice as displayed (front at the top, the patient's right at the left).

    ``image`` is HU clipped to 0..255, (H, W) uint8; ``label`` has the same shape.
    """

    patient: str
    source: str
    name: str
    image: Bytes
    label: Bytes


def load(folder: Path) -> tuple[LabelledSlice, ...]:
    """Read every labelled slice under a data folder.

    Parameters
    ----------
    folder
        Holds ``kits19_slices`` (``images``, ``labels``; ``case_00025_z060.png``) or ``curvas``
        (``images``, ``masks``; ``10004_401_a1.png``), or both.

    Raises
    ------
    VolumeError
        If there is no slice, or an image lacks a label, differs from it in size, or its label has
        values that the source does not define.
    """
    found = tuple(
        _read(path, source)
        for source in SOURCES
        for path in sorted((folder / source.folder / "images").glob("*.png"))
    )
    if not found:
        wanted = " or ".join(f"{source.folder}/images" for source in SOURCES)
        raise VolumeError(f"{folder} has no slices; it must contain {wanted} with PNG files")
    return found


def split(
    slices: Sequence[LabelledSlice], held_out: Iterable[str]
) -> tuple[tuple[LabelledSlice, ...], tuple[LabelledSlice, ...]]:
    """Divide slices into those to train on and those of the held-out patients.

    Raises
    ------
    UsageError
        If a held-out patient has no slice, or nobody is left to train on.
    """
    patients = {piece.patient for piece in slices}
    kept_apart = frozenset(held_out)
    if unknown := sorted(kept_apart - patients):
        raise UsageError(f"no slices of {unknown[0]}; patients are {', '.join(sorted(patients))}")
    if kept_apart == patients:
        raise UsageError("every patient is held out; leave some to train on")
    train = tuple(piece for piece in slices if piece.patient not in kept_apart)
    return train, tuple(piece for piece in slices if piece.patient in kept_apart)


def regions(label: Bytes) -> Bytes:
    """Turn labels (H, W) into the nested KiTS regions (H, W, 3), 0 or 1."""
    return np.stack([np.isin(label, values) for values in REGIONS.values()], axis=-1).astype(
        np.uint8
    )


def reduce_image(image: Bytes, columns: int, rows: int) -> Bytes:
    """Resample an 8-bit image to (rows, columns) as the running system does."""
    size = (columns, rows)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def reduce_label(label: Bytes, columns: int, rows: int) -> Floats:
    """Resample a label (H, W) to regions (rows, columns, 3): 1 where one fills half a pixel."""
    planes = np.moveaxis(regions(label) * FULL, -1, 0)
    shrunk = [
        np.asarray(Image.fromarray(plane).resize((columns, rows), Image.Resampling.BOX))
        for plane in planes
    ]
    return (np.stack(shrunk, axis=-1) > FULL // 2).astype(np.float32)


def _read(path: Path, source: Source) -> LabelledSlice:
    """Read one image and the label beside it."""
    partner = path.parents[1] / source.labels / path.name
    if not partner.is_file():
        raise VolumeError(f"{path} has no label; {partner} is missing")
    image, label = _pixels(path), _pixels(partner)
    if image.shape != label.shape:
        raise VolumeError(f"{path} is {image.shape} but its label {label.shape}; sizes must agree")
    if unknown := sorted(set(np.unique(label).tolist()) - set(source.values)):
        raise VolumeError(f"{partner} has the label value {unknown[0]}; known are {source.values}")
    patient = path.stem.rpartition("_z")[0] or path.stem.partition("_")[0]
    return LabelledSlice(patient, source.folder, path.stem, image, label)


def _pixels(path: Path) -> Bytes:
    """Read an 8-bit grey PNG."""
    try:
        with Image.open(path) as image:
            if image.mode != "L":
                raise VolumeError(f"{path} has mode {image.mode}; slices are 8-bit grey PNGs")
            return np.asarray(image)
    except OSError as error:
        raise VolumeError(f"{path} can't be read as PNG: {error}") from error
