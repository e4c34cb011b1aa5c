"""Random changes that keep a CT slice a CT slice: geometry, contrast phase, resolution, noise."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from data import Bytes, Example, Floats, reduce_image, reduce_label
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from transplant import Donors, with_misplaced, with_tumor

Mesh: TypeAlias = list[tuple[tuple[int, int, int, int], tuple[float, ...]]]
"""A warp as Pillow wants it: boxes of the output and the corners of the input they come from."""

CELLS = 4
"""The warp is bilinear inside each of CELLS x CELLS cells of the output."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows and columns of a training crop in model pixels, and the model's full size."""

    rows: int
    columns: int
    size: int


TUMOR_IN_HEALTHY, TUMOR_BESIDE_TUMOR = 0.2, 0.1
"""How often a slice without and with a tumour gets one of another patient."""
MISPLACED = 0.25
"""How often tissue is put where it does not belong."""


def augment(
    piece: Example, frame: Frame, donors: Donors, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Make one training example of a slice.

    Geometry acts at the slice's own resolution, before the reduction the running system does too;
    contrast, resolution and noise act after it.

    Returns
    -------
    tuple
        Image (rows, columns, 1) in 0..1 and regions (rows, columns, 3), 0 or 1, -1 if unknown.
    """
    factor = max(piece.image.shape) / frame.size
    width, height = round(frame.columns * factor), round(frame.rows * factor)
    mesh = _mesh(piece.image, width, height, rng)
    image = _warp(piece.image, (width, height), mesh, Image.Resampling.BILINEAR)
    label = _warp(piece.label, (width, height), mesh, Image.Resampling.NEAREST)
    target = reduce_label(label, frame.columns, frame.rows)
    hu = reduce_image(image, frame.columns, frame.rows).astype(np.float32)
    if rng.random() < (TUMOR_BESIDE_TUMOR if (target[..., -1] > 0).any() else TUMOR_IN_HEALTHY):
        hu, target = with_tumor(hu, target, donors, rng)
    if rng.random() < MISPLACED:
        hu = with_misplaced(hu, target[..., 0] > 0, donors, rng)
    if rng.random() < 0.35:
        hu = unenhanced(hu, target[..., 0] > 0, rng)
    hu = _noise(_resolution(_contrast(hu, rng), rng), rng)
    return (np.rint(hu.clip(0, 255)) / 255)[..., None].astype(np.float32), target


def unenhanced(hu: Floats, kidney: NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    """Take the contrast agent out: soft tissue flattens towards 50 HU, kidneys fall to 25..50 HU.

    The training slices are all contrast-enhanced; many scans are not.
    """
    keep = rng.uniform(0.05, 0.3)
    bone = np.minimum(3 * _blur((hu >= 230) & ~kidney, 3), 1)
    flat = np.where(hu > 50, 50 + keep * (hu - 50), hu)
    plain = bone * hu + (1 - bone) * flat
    if kidney.any():
        dark = rng.uniform(25, 50) + keep * (hu - hu[kidney].mean())
        inside = _blur(kidney, 1)
        plain = inside * np.minimum(dark, np.maximum(hu, 10)) + (1 - inside) * plain
    return np.asarray(plain, np.float32)


def _mesh(image: Bytes, width: int, height: int, rng: np.random.Generator) -> Mesh:
    """Draw where around the body's middle each part of a (height, width) crop is taken from."""
    middle = _middle(image) + rng.uniform(-0.08, 0.08, 2) * image.shape
    zoom = np.exp(rng.uniform(np.log(0.7), np.log(1.4)))
    angle = np.deg2rad(rng.normal(0, 8))
    flip = rng.choice((-1.0, 1.0))  # the regions have no sides, so a mirrored patient is as good
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    rows = np.linspace(0, height, CELLS + 1).round().astype(int)
    columns = np.linspace(0, width, CELLS + 1).round().astype(int)
    grid = np.stack(np.meshgrid(rows - height / 2, (columns - width / 2) * flip, indexing="ij"), -1)
    stretch = np.exp(rng.normal(0, 0.05, 2))
    source = (grid * stretch / zoom) @ turn + middle + _elastic(rng, 0.012 * max(image.shape))
    return [
        (
            (int(columns[j]), int(rows[i]), int(columns[j + 1]), int(rows[i + 1])),
            tuple(
                float(value)
                for at in ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1))
                for value in source[at][::-1]
            ),
        )
        for i in range(CELLS)
        for j in range(CELLS)
    ]


def _middle(image: Bytes) -> NDArray[np.float64]:
    """Row and column in the middle of what is not air."""
    body = image > 0
    ends = [np.flatnonzero(body.any(axis=axis))[[0, -1]] for axis in (1, 0) if body.any()]
    if not ends:
        return np.array(image.shape, np.float64) / 2
    return np.asarray(np.mean(ends, axis=1), np.float64)


def _elastic(rng: np.random.Generator, pixels: float) -> Floats:
    """Smooth displacements (CELLS + 1, CELLS + 1, 2) of about this many pixels."""
    nodes = (CELLS + 1, CELLS + 1)
    coarse = rng.normal(0, pixels * rng.random(), (2, 5, 5)).astype(np.float32)
    fine = [Image.fromarray(axis).resize(nodes, Image.Resampling.BICUBIC) for axis in coarse]
    return np.stack([np.asarray(axis) for axis in fine], axis=-1)


def _warp(pixels: Bytes, size: tuple[int, int], mesh: Mesh, resample: Image.Resampling) -> Bytes:
    """Take a warped crop of (columns, rows); outside the slice is air."""
    return np.asarray(Image.fromarray(pixels).transform(size, Image.Transform.MESH, mesh, resample))


def _contrast(hu: Floats, rng: np.random.Generator) -> Floats:
    """Scanner, voltage and phase: gain, offset of what is not air, gamma."""
    gamma = np.exp(rng.normal(0, 0.15))
    gain = np.exp(rng.normal(0, 0.15))
    shifted = hu * gain + np.where(hu > 0, rng.normal(0, 6), 0)
    return np.asarray(255 * (shifted.clip(0, 255) / 255) ** gamma, dtype=np.float32)


def _resolution(hu: Floats, rng: np.random.Generator) -> Floats:
    """Coarser pixels or a softer kernel, each now and then."""
    if rng.random() < 0.35:
        image, factor = Image.fromarray(hu), rng.uniform(1.3, 2.8)
        small = (round(image.width / factor), round(image.height / factor))
        coarse = image.resize(small, Image.Resampling.BOX)
        return np.asarray(coarse.resize(image.size, Image.Resampling.BILINEAR))
    if rng.random() < 0.2:
        return hu + np.float32(rng.random()) * (_blur(hu, 1) - hu)
    return hu


def _noise(hu: Floats, rng: np.random.Generator) -> Floats:
    """Noise with the grain of a reconstruction kernel; what the window clipped stays clipped."""
    if rng.random() < 0.5:
        return hu
    grain = rng.normal(0, 1, hu.shape).astype(np.float32)
    if rng.random() < 0.5:
        grain = _blur(grain, int(rng.integers(1, 3)))
        grain /= grain.std()
    return hu + grain * np.float32(rng.uniform(2, 15)) * (hu > 4)


def _blur(values: NDArray[np.generic], reach: int) -> Floats:
    """Mean over a square of 2 x reach + 1 pixels, the border repeated."""
    plane = values.astype(np.float32)
    return np.asarray(ndimage.uniform_filter(plane, 2 * reach + 1, mode="nearest"))
