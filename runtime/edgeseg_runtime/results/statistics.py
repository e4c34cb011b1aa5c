"""Statistics of the labels in a mask: volume, place and density of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Label
from edgeseg.files.atomic import write_json
from edgeseg.imaging.scan import Scan
from edgeseg.imaging.slices import Mask
from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg.postprocess.report import NOTHING_CHANGED, PostprocessReport
from edgeseg_runtime.results.lesions import BodyStatistics, SideVolumes, list_bodies

Triple: TypeAlias = tuple[float, float, float]


class BoundingBox(msgspec.Struct, frozen=True):
    """First and last voxel of a label along each axis of the file, both inclusive."""

    first: tuple[int, int, int]
    last: tuple[int, int, int]


class LabelStatistics(msgspec.Struct, frozen=True):
    """One label; places are None where it does not occur, mm and HU where the scan has none.

    ``centroid_voxel`` and ``bounding_box`` are in voxel indices of the stored file (slice, row,
    column for pictures), ``centroid_mm`` is in RAS+ mm.
    """

    value: int
    name: str
    voxels: int
    volume_mm3: float | None
    volume_ml: float | None
    centroid_voxel: Triple | None
    centroid_mm: Triple | None
    bounding_box: BoundingBox | None
    mean_hu: float | None
    touches_first_or_last_slice: bool


class Statistics(msgspec.Struct, frozen=True):
    """All labels of one scan."""

    note: str
    slices: int
    labels: tuple[LabelStatistics, ...]
    bodies: tuple[BodyStatistics, ...] = ()
    sides: tuple[SideVolumes, ...] = ()
    postprocess: PostprocessReport = NOTHING_CHANGED

    def write(self, path: Path) -> None:
        """Write as JSON.

        Raises
        ------
        OutputError
            If the file can't be written; nothing half-written is left.
        """
        write_json(path, self)


@dataclass
class _Tally:
    """Running sums of one label, in (slice, row, column)."""

    voxels: int
    sums: NDArray[np.float64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    hounsfield: float

    def add(self, index: int, inside: NDArray[np.bool_], image: NDArray[np.generic]) -> None:
        """Count the voxels of one slice."""
        rows, cols = np.nonzero(inside)
        self.voxels += rows.size
        self.sums += (index * rows.size, rows.sum(), cols.sum())
        self.first = np.minimum(self.first, (index, rows.min(), cols.min()))
        self.last = np.maximum(self.last, (index, rows.max(), cols.max()))
        self.hounsfield += float(image[inside].sum(dtype=np.float64))


def measure(
    scan: Scan,
    masks: Sequence[Mask],
    labels: Sequence[Label],
    postprocess: PostprocessReport = NOTHING_CHANGED,
) -> Statistics:
    """Measure every label in the masks of a scan.

    Parameters
    ----------
    scan
        The scan.
    masks
        Label values, one array (rows, columns) for each of its slices.
    labels
        The labels to measure.
    postprocess
        What post-processing changed in the masks.
    """
    tallies = {label.value: _empty_tally() for label in labels}
    for index, mask in enumerate(masks):
        present = np.flatnonzero(np.bincount(mask.ravel()))
        for value in tallies.keys() & set(present.tolist()):
            tallies[value].add(index, mask == value, scan.slice(index))
    listed = list_bodies(scan, masks, labels)
    return Statistics(
        note=RESEARCH_NOTE,
        slices=len(scan),
        labels=tuple(_summary(label, tallies[label.value], scan) for label in labels),
        bodies=listed.bodies,
        sides=listed.sides,
        postprocess=postprocess,
    )


def voxel_mm3(scan: Scan) -> float | None:
    """Return the volume of one voxel in mm3, which the affine spans; None for pictures."""
    return None if scan.affine is None else float(abs(np.linalg.det(scan.affine[:3, :3])))


def _empty_tally() -> _Tally:
    first = np.full(3, np.iinfo(np.int64).max)
    return _Tally(0, np.zeros(3), first, np.full(3, -1), 0.0)


def _summary(label: Label, tally: _Tally, scan: Scan) -> LabelStatistics:
    affine, unit, occurs = scan.affine, voxel_mm3(scan), tally.voxels > 0
    volume = None if unit is None else tally.voxels * unit
    centroid = _moved(scan.to_file, tally.sums / tally.voxels) if occurs else None
    edges = (0, len(scan) - 1)
    return LabelStatistics(
        value=label.value,
        name=label.name,
        voxels=tally.voxels,
        volume_mm3=volume,
        volume_ml=None if volume is None else volume / 1000,
        centroid_voxel=centroid,
        centroid_mm=None if affine is None or centroid is None else _moved(affine, centroid),
        bounding_box=_bounding_box(tally, scan) if occurs else None,
        mean_hu=tally.hounsfield / tally.voxels if occurs and not scan.windowed else None,
        touches_first_or_last_slice=occurs and (tally.first[0] in edges or tally.last[0] in edges),
    )


def _moved(matrix: NDArray[np.float64], point: NDArray[Any] | Triple) -> Triple:
    """Return a point under a 4x4 affine."""
    x, y, z = (matrix[:3, :3] @ point + matrix[:3, 3]).tolist()
    return x, y, z


def _bounding_box(tally: _Tally, scan: Scan) -> BoundingBox:
    corners = [_moved(scan.to_file, corner) for corner in (tally.first, tally.last)]
    (x0, x1), (y0, y1), (z0, z1) = (
        sorted(round(position) for position in axis) for axis in zip(*corners, strict=True)
    )
    return BoundingBox((x0, y0, z0), (x1, y1, z1))
