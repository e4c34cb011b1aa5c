"""Slices of labelled NIfTI volumes, cut when asked for.

The order of reading matters. A compressed volume can only be read whole, so the first slice of a
case takes the time of all of it, and further ones next to none while the case stays in memory,
where the cases read last stay that fit into :data:`KEPT_BYTES`. So read case by case: shuffle the
cases, and then the slices within a few of them. Slices drawn at random from more cases than fit
cost a whole case each. Measured on 611 slices of 512x512 in int16: 2 s and 480 MB for the first
slice, 0.03 ms for each of the others.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np

from edgeseg.errors import VolumeError
from edgeseg.imaging.grid import read_grid
from edgeseg.imaging.levels import Hounsfield
from edgeseg.imaging.nifti import read_volume
from edgeseg.imaging.slices import Mask
from edgeseg.labelled.labels import to_kits
from edgeseg.labelled.slices import LabelledSlice, LabelledSlices

_SAME_PLACE = 0.1
"""How far an image and its label may lie apart, in voxels."""

KEPT_BYTES = 2**30
"""How much of the cases read last stays in memory: two large ones, or some ten of 100 slices."""


@dataclass(frozen=True)
class Case:
    """One patient's volume and its label.

    Attributes
    ----------
    values
        The KiTS value of each value that the label may hold.
    """

    patient: str
    source: str
    image: Path
    label: Path
    values: Mapping[int, int]


@dataclass(frozen=True)
class CaseVoxels:
    """A case in memory: image and label, each (slices, rows, columns) in display orientation."""

    image: Hounsfield
    label: Mask

    @property
    def nbytes(self) -> int:
        """Bytes of both."""
        return self.image.nbytes + self.label.nbytes


class RecentCases:
    """The cases read last, as many as fit into a number of bytes; the very last one always."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._kept: OrderedDict[Path, CaseVoxels] = OrderedDict()
        # Held while a case is read, so that threads which need the same case read it once.
        self._lock = Lock()

    def get(self, case: Case) -> CaseVoxels:
        """Return a case's voxels, from memory or from its files.

        Raises
        ------
        VolumeError
            If a file is damaged or a label value is unknown.
        """
        with self._lock:
            if case.image in self._kept:
                self._kept.move_to_end(case.image)
                return self._kept[case.image]
            self._kept[case.image] = voxels = _read(case)
            while len(self._kept) > 1 and self._held() > self._limit:
                self._kept.popitem(last=False)
            return voxels

    def _held(self) -> int:
        return sum(voxels.nbytes for voxels in self._kept.values())


def slices_of(cases: Iterable[Case], keep_bytes: int = KEPT_BYTES) -> LabelledSlices:
    """List every slice of the cases, from feet to head, from their headers alone.

    Parameters
    ----------
    cases
        Volumes and their labels.
    keep_bytes
        How much of the cases read last stays in memory, for all these slices together.

    Raises
    ------
    VolumeError
        If a header can't be read, or an image and its label lie on different grids.
    """
    recent = RecentCases(keep_bytes)
    return tuple(labelled for case in cases for labelled in _slices(case, recent))


def _slices(case: Case, recent: RecentCases) -> Iterator[LabelledSlice]:
    grid = read_grid(case.image)
    if problem := read_grid(case.label).mismatch(grid, _SAME_PLACE * min(grid.spacing)):
        raise VolumeError(
            f"{case.label} does not lie on the grid of its image {case.image}: {problem}; "
            "give both the same size and affine"
        )
    for index, number in enumerate(grid.numbers):
        name, read = f"{case.patient}_z{number:03}", partial(_cut, recent, case, index)
        yield LabelledSlice(
            case.patient, case.source, name, grid.geometry, windowed=False, read=read
        )


def _cut(recent: RecentCases, case: Case, index: int) -> tuple[Hounsfield, Mask]:
    """Copy one slice out of its volume: a view would keep all of it in memory."""
    voxels = recent.get(case)
    image: Hounsfield = voxels.image[index].copy()
    return image, voxels.label[index].copy()


def _read(case: Case) -> CaseVoxels:
    """Read a case, the label first: it shrinks to a byte a voxel before the image comes."""
    return CaseVoxels(label=_read_label(case), image=read_volume(case.image).voxels)


def _read_label(case: Case) -> Mask:
    stored = read_volume(case.label).voxels
    label = np.empty(stored.shape, np.uint8)
    for index, plane in enumerate(stored):
        label[index] = to_kits(plane, case.values, case.label)
    return label
