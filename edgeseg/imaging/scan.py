"""What a scan is, in whatever format: slices in display orientation, read one by one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgeseg.imaging.levels import Grey, Hounsfield
from edgeseg.imaging.slices import Mask, SliceGeometry


class Slices(Protocol):
    """Slices of one patient, from feet to head, as a radiological display shows them.

    Rows run from anterior to posterior, columns from the patient's right to the left.
    """

    @property
    def windowed(self) -> bool:
        """Whether the slices are 8-bit pictures that have been windowed already, not HU."""

    @property
    def slice_mm(self) -> float | None:
        """Distance of the planes of neighbouring slices in mm, or None where nobody knows it."""

    @property
    def warning(self) -> str | None:
        """What the user should know about the scan, in one line, or None."""

    def __len__(self) -> int:
        """Return the number of slices."""

    def slice(self, index: int) -> Hounsfield | Grey:
        """Return one slice, (rows, columns)."""

    def geometry(self, index: int) -> SliceGeometry:
        """Return size and spacing of one slice."""

    def name(self, index: int) -> str:
        """Return what to call one slice: its number as the stored file counts, or its file."""


class Scan(Slices, Protocol):
    """Slices that come from a file, and masks that go back the way they came."""

    @property
    def to_file(self) -> NDArray[np.float64]:
        """4x4 matrix from (slice, row, column) to the voxel indices of the stored file."""

    @property
    def affine(self) -> NDArray[np.float64] | None:
        """4x4 matrix from the file's voxel indices to RAS+ mm, or None for pictures."""

    def check_output(self, output: Path) -> None:
        """Refuse early an output that :meth:`write` could not write."""

    def write(self, output: Path, masks: Sequence[Mask]) -> None:
        """Write one mask a slice as the scan is stored: in its format and geometry."""
