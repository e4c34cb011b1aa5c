"""Slices as 8-bit PNG pictures that are windowed already: one file, or a folder of them."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from edgeseg.errors import UsageError, VolumeError
from edgeseg.files.atomic import atomic_folder, atomic_path, check_writable
from edgeseg.imaging.levels import Grey
from edgeseg.imaging.slices import Mask, SliceGeometry

PICTURE = ".png"
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
"""Of pictures of more pixels than any that Pillow takes for sound."""

_READABLE = "give 8-bit grey PNGs that are windowed already, a NIfTI file, or DICOM"


@dataclass(frozen=True)
class Pictures:
    """PNG slices in the natural order of their names; sizes may differ, spacing is unknown."""

    path: Path
    files: tuple[Path, ...]
    sizes: tuple[tuple[int, int], ...]
    windowed: bool = True
    affine: None = None
    slice_mm: None = None
    warning: None = None

    @property
    def to_file(self) -> NDArray[np.float64]:
        """Identity: a voxel's index is (slice, row, column)."""
        return np.eye(4)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.files)

    def slice(self, index: int) -> Grey:
        """Read one picture, (rows, columns)."""
        with _open(self.files[index]) as picture:
            try:
                return np.array(picture, np.uint8)
            except (OSError, SyntaxError) as error:
                raise VolumeError(f"{self.files[index]} is damaged ({error})") from None

    def geometry(self, index: int) -> SliceGeometry:
        """Return the size of one picture."""
        return SliceGeometry(*self.sizes[index])

    def name(self, index: int) -> str:
        """Return the name of one picture."""
        return self.files[index].stem

    def check_output(self, output: Path) -> None:
        """Refuse early an output that :meth:`write` could not write.

        Raises
        ------
        UsageError
            If it is no PNG for a PNG, or the input itself.
        OutputError
            If it can't be written.
        """
        if output.resolve() == self.path.resolve():
            raise UsageError(f"{output} is the input; give another output")
        if self.path.is_dir():
            if output.exists() and not output.is_dir():
                raise UsageError(f"{output} is a file; for a folder of PNGs give a folder")
            check_writable((output if output.is_dir() else output.parent) / self.files[0].name)
        elif output.suffix.lower() != PICTURE:
            raise UsageError(f"{output} is no .png; the mask of a PNG is written as a PNG")
        else:
            check_writable(output)

    def write(self, output: Path, masks: Sequence[Mask]) -> None:
        """Write label PNGs (8-bit grey, value = label): one file, or a folder of the same names.

        Raises
        ------
        OutputError
            If they can't be written; nothing half-written is left.
        """
        if not self.path.is_dir():
            with atomic_path(output) as target:
                Image.fromarray(masks[0]).save(target)
            return
        with atomic_folder(output) as folder:
            for file, mask in zip(self.files, masks, strict=True):
                Image.fromarray(mask).save(folder / file.name)


def read_pictures(path: Path) -> Pictures:
    """Open one PNG slice or a folder of them; pixels are read slice by slice.

    Raises
    ------
    VolumeError
        If a file is no 8-bit grey PNG, or the folder has none.
    """
    files: tuple[Path, ...] = (path,)
    if path.is_dir():
        files = tuple(sorted(filter(_is_picture, path.iterdir()), key=_natural))
    if not files:
        raise VolumeError(f"{path} has no .png file; {_READABLE}")
    return Pictures(path, files, tuple(_size(file) for file in files))


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() == PICTURE and not file.name.startswith(".")


def _natural(file: Path) -> list[tuple[int, str]]:
    """Sort key by which slice 9 stands before slice 10."""
    parts = re.findall(r"\d+|\D+", file.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _size(file: Path) -> tuple[int, int]:
    """Return rows and columns, from the head of the file alone."""
    with _open(file) as picture:
        if picture.mode != "L":
            raise VolumeError(f"{file} is a picture of kind {picture.mode}; {_READABLE}")
        return picture.height, picture.width


def _open(file: Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(file, formats=["PNG"])
    except FileNotFoundError:
        raise VolumeError(f"{file} does not exist; {_READABLE}") from None
    except UnidentifiedImageError:
        raise VolumeError(f"{file} is no PNG or is damaged; {_READABLE}") from None
    except (OSError, SyntaxError, *_BOMBS) as error:
        raise VolumeError(f"{file} can't be read ({error}); {_READABLE}") from None
