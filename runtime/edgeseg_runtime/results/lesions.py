"""The separate bodies of each label, as a reader lists lesions: volume, diameter, side, slices."""

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from edgeseg.bundle.manifest import Label
from edgeseg.imaging.levels import Grey, Hounsfield
from edgeseg.imaging.scan import Scan
from edgeseg.imaging.slices import Mask
from edgeseg.postprocess.bodies import Bodies, SlicePatches, count_pixels, find_bodies
from edgeseg.postprocess.voxel_size import VoxelSize, voxel_size

MOST_BODIES = 100
"""So many of a label are listed, the largest ones."""

_BODY_HU = -300
"""The patient is what is denser; air and table pads are not."""

Side = Literal["left", "right"]


class BodyStatistics(msgspec.Struct, frozen=True):
    """One connected body of a label.

    ``axial_diameter_mm`` is the largest distance within a connected part of one slice, between
    outer edges of pixels; ``side`` is the patient's, as seen from the middle of the body in the
    same slices; slices are called as the scan calls them.
    """

    label: str
    volume_ml: float
    axial_diameter_mm: float
    side: Side
    first_slice: str
    last_slice: str
    touches_border: bool


class SideVolumes(msgspec.Struct, frozen=True):
    """Volume of a label's bodies on either side of the patient; a body counts on one side whole."""

    label: str
    left_ml: float
    right_ml: float


class LabelBodies(msgspec.Struct, frozen=True):
    """The bodies of all labels, the largest of each first, and their volumes by side."""

    bodies: tuple[BodyStatistics, ...] = ()
    sides: tuple[SideVolumes, ...] = ()


def list_bodies(scan: Scan, masks: Sequence[Mask], labels: Sequence[Label]) -> LabelBodies:
    """List the bodies of each label; none where voxels have no known size.

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
        return LabelBodies()
    bodies: list[BodyStatistics] = []
    sides = []
    for label in labels:
        largest, volumes = _bodies_of(label, scan, find_bodies(masks, [label.value]), voxel)
        bodies += largest
        sides.append(volumes)
    return LabelBodies(tuple(bodies), tuple(sides))


def _bodies_of(
    label: Label, scan: Scan, bodies: Bodies, voxel: VoxelSize
) -> tuple[list[BodyStatistics], SideVolumes]:
    order = np.argsort(-bodies.voxels, kind="stable")[:MOST_BODIES]
    listed = np.zeros(len(bodies), np.bool_)
    listed[order] = True
    diameters, offsets = np.zeros(len(bodies)), np.zeros(len(bodies))
    borders = (bodies.first_slice == 0) | (bodies.last_slice == len(scan) - 1)
    for part in bodies.patches:
        owners = bodies.body_of[part.nodes]
        image = scan.slice(part.index)
        np.add.at(offsets, owners, _offsets(part, _middle_column(image)))
        borders[owners[_at_border(part, image.shape)]] = True
        _widen(diameters, part, owners, listed, voxel)
    left_ml, right_ml = (
        float(bodies.voxels[side].sum()) * voxel.ml for side in (offsets > 0, offsets <= 0)
    )
    largest = [
        BodyStatistics(
            label.name,
            float(bodies.voxels[body]) * voxel.ml,
            float(diameters[body]),
            "left" if offsets[body] > 0 else "right",
            scan.name(int(bodies.first_slice[body])),
            scan.name(int(bodies.last_slice[body])),
            bool(borders[body]),
        )
        for body in order
    ]
    return largest, SideVolumes(label.name, left_ml, right_ml)


def _offsets(part: SlicePatches, middle: float) -> NDArray[np.float64]:
    """Sum, for each patch, how far its pixels are to the left of the patient's middle."""
    columns = np.arange(part.box[1].start, part.box[1].stop) + 0.5 - middle
    weights = np.broadcast_to(columns, part.patches.shape).ravel()
    return np.asarray(
        np.bincount(part.patches.ravel(), weights=weights, minlength=part.count + 1)[1:]
    )


def _at_border(part: SlicePatches, shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Return the numbers, from 0, of the patches that touch a border of the slice."""
    (rows, cols), patches = part.box, part.patches
    edges = [
        patches[0] if rows.start == 0 else patches[:0],
        patches[-1] if rows.stop == shape[0] else patches[:0],
        patches[:, 0] if cols.start == 0 else patches[:0],
        patches[:, -1] if cols.stop == shape[1] else patches[:0],
    ]
    numbers = np.unique(np.concatenate([edge.ravel() for edge in edges]))
    return np.asarray(numbers[numbers > 0].astype(np.intp) - 1)


def _widen(
    diameters: NDArray[np.float64],
    part: SlicePatches,
    owners: NDArray[np.int32],
    listed: NDArray[np.bool_],
    voxel: VoxelSize,
) -> None:
    """Raise the diameters of listed bodies to those of their largest patches in a slice."""
    by_size = np.argsort(count_pixels(part), kind="stable")
    largest: dict[int, int] = dict(zip(owners[by_size].tolist(), by_size.tolist(), strict=True))
    boxes = ndimage.find_objects(part.patches)
    for body, number in largest.items():
        rows, cols = boxes[number]
        diagonal = math.hypot(
            (rows.stop - rows.start) * voxel.row_mm, (cols.stop - cols.start) * voxel.col_mm
        )
        # The box bounds the diameter: most patches need no closer look.
        if listed[body] and diagonal > diameters[body]:
            pixels = part.patches[rows, cols] == number + 1
            diameters[body] = max(diameters[body], _diameter(pixels, voxel))


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
