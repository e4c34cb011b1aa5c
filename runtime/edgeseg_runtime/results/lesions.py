"""The separate bodies of each label, as a reader lists lesions: volume, diameter, side, slices."""

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from edgeseg.bundle.manifest import Label
from edgeseg.imaging.scan import Scan
from edgeseg.imaging.slices import Grey, Hounsfield, Mask
from edgeseg.postprocess.bodies import Bodies, find_bodies
from edgeseg.postprocess.neighbours import VoxelSize
from edgeseg.postprocess.voxel_size import voxel_size

MOST_BODIES = 100
"""So many of a label are listed, the largest ones."""

_BODY_HU = -300
"""The patient is what is denser; air and table pads are not."""

Side = Literal["left", "right"]


class BodyStatistics(msgspec.Struct, frozen=True):
    """One connected body of a label.

    ``axial_diameter_mm`` is the largest distance within one slice, between outer edges of pixels;
    ``side`` is the patient's, as seen from the middle of the body in the same slices; slices are
    called as the scan calls them.
    """

    label: str
    volume_ml: float
    axial_diameter_mm: float
    side: Side
    first_slice: str
    last_slice: str
    touches_border: bool


def list_bodies(
    scan: Scan, masks: Sequence[Mask], labels: Sequence[Label]
) -> tuple[BodyStatistics, ...]:
    """List the bodies of each label, the largest first; none where voxels have no known size.

    Parameters
    ----------
    scan
        The scan, in display orientation: columns run from the patient's right to the left.
    masks
        Label values, one array (rows, columns) for each of its slices.
    labels
        The labels to list.
    """
    voxel = voxel_size(scan)
    if voxel is None or scan.windowed:
        return ()
    return tuple(
        body
        for label in labels
        for body in _bodies_of(label, scan, find_bodies(masks, [label.value]), voxel)
    )


def _bodies_of(label: Label, scan: Scan, bodies: Bodies, voxel: VoxelSize) -> list[BodyStatistics]:
    diameters = np.zeros(len(bodies))
    offsets = np.zeros(len(bodies))
    borders = np.zeros(len(bodies), np.bool_)
    for part in bodies.patches:
        image = scan.slice(part.index)
        middle = _middle_column(image)
        for number, box in enumerate(ndimage.find_objects(part.patches), start=1):
            body, pixels = bodies.body_of[part.first + number - 1], part.patches[box] == number
            diameters[body] = max(diameters[body], _diameter(pixels, voxel))
            rows, cols = (
                slice(outer.start + inner.start, outer.start + inner.stop)
                for outer, inner in zip(part.box, box, strict=True)
            )
            columns = np.flatnonzero(pixels.any(axis=0)) + cols.start + 0.5
            weights = pixels.sum(axis=0)[pixels.any(axis=0)]
            offsets[body] += float(((columns - middle) * weights).sum())
            borders[body] |= _touches(rows, image.shape[0]) or _touches(cols, image.shape[1])
    borders |= (bodies.first_slice == 0) | (bodies.last_slice == len(scan) - 1)
    return [
        BodyStatistics(
            label.name,
            float(bodies.voxels[body]) * voxel.ml,
            float(diameters[body]),
            "left" if offsets[body] > 0 else "right",
            scan.name(int(bodies.first_slice[body])),
            scan.name(int(bodies.last_slice[body])),
            bool(borders[body]),
        )
        for body in np.argsort(-bodies.voxels, kind="stable")[:MOST_BODIES]
    ]


def _touches(extent: slice, size: int) -> bool:
    return bool(extent.start == 0 or extent.stop == size)


def _middle_column(image: Hounsfield | Grey) -> float:
    """Return the column halfway between the patient's flanks, or the image's own middle."""
    columns = np.flatnonzero((image > _BODY_HU).any(axis=0))
    return float(columns[0] + columns[-1] + 1) / 2 if columns.size else image.shape[1] / 2


def _diameter(pixels: NDArray[np.bool_], voxel: VoxelSize) -> float:
    """Return the largest distance between corners of pixels (rows, columns), in mm."""
    rows = np.flatnonzero(pixels.any(axis=1))
    first = pixels[rows].argmax(axis=1)
    last = pixels.shape[1] - pixels[rows, ::-1].argmax(axis=1)
    corners = np.concatenate(
        [np.stack([rows + step, edge], axis=1) for step in (0, 1) for edge in (first, last)]
    ) * (voxel.row_mm, voxel.col_mm)
    return float(pdist(corners[ConvexHull(corners).vertices]).max())
