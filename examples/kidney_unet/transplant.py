"""Semi-synthetic slices: tumours moved to other kidneys, and tissue where it does not belong."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from data import Example, Floats, reduce_image, reduce_label
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Masks = NDArray[np.bool_]

MARGIN = 4
"""Pixels around a tumour that are cut out with it."""
SMALLEST = 20
"""A tumour or a kidney of fewer pixels is no donor and no host."""


@dataclass(frozen=True, slots=True)
class Tumor:
    """A tumour cut out of a slice: HU and mask (rows, columns), and HU of the kidney beside it."""

    hu: Floats
    mask: Masks
    kidney: float


@dataclass(frozen=True, slots=True)
class Tissue:
    """A whole slice on the model's grid, and where its kidneys and masses are."""

    hu: Floats
    kidney: Masks


@dataclass(frozen=True)
class Donors:
    """What the training slices give to each other; ``tumors`` by patient, so that none prevails."""

    tumors: tuple[tuple[Tumor, ...], ...]
    tissues: tuple[Tissue, ...]


def donors_of(examples: Iterable[tuple[str, Example]], size: int) -> Donors:
    """Collect tumours and tissue of patients' slices on the model's grid of ``size`` x ``size``."""
    tumors: dict[str, list[Tumor]] = {}
    tissues = []
    for patient, piece in examples:
        factor = size / max(piece.image.shape)
        rows, columns = (max(1, round(side * factor)) for side in piece.image.shape)
        hu = reduce_image(piece.image, columns, rows).astype(np.float32)
        target = reduce_label(piece.label, columns, rows) > 0
        tissues.append(Tissue(hu, target[..., 0]))
        if target[..., -1].sum() >= SMALLEST:
            tumors.setdefault(patient, []).append(_cut_out(hu, target))
    return Donors(tuple(map(tuple, tumors.values())), tuple(tissues))


def with_tumor(
    hu: Floats, target: Floats, donors: Donors, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Let a tumour of some patient grow on a kidney of this slice, turned, scaled and tinted.

    Its HU keep their ratio to those of the kidney it grows on.
    """
    kidney = (target[..., 0] > 0) & (target[..., -1] == 0)
    places = np.argwhere(kidney)
    if len(places) < SMALLEST or not donors.tumors:
        return hu, target
    patient = donors.tumors[rng.integers(len(donors.tumors))]
    tumor = patient[rng.integers(len(patient))]
    # Small tumours are the ones missed, so they are drawn as often as large ones.
    radius = np.exp(rng.uniform(np.log(3), np.log(24)))
    scale = radius / np.sqrt(tumor.mask.sum() / np.pi)
    grey, mask = _stamped(tumor, places[rng.integers(len(places))], scale, hu.shape, rng)
    mask &= _inside_body(hu)
    host = hu[kidney].mean()
    tint = np.clip(host / tumor.kidney, 0.6, 1.6) * np.exp(rng.normal(0, 0.1))
    soft = _softened(mask)
    grown = np.where(mask[..., None], np.float32(1), target)
    return np.asarray(soft * grey * tint + (1 - soft) * hu, np.float32), grown


def with_misplaced(hu: Floats, kidney: Masks, donors: Donors, rng: np.random.Generator) -> Floats:
    """Put up to five round bodies away from the kidneys: of even density, or of real tissue.

    Bladder, filled bowel and cysts of other organs are round and even as tumours are, pelvic bone
    is as bright as a kidney, and the training slices hardly show the pelvis; what sets a kidney
    apart is its place, and a tumour the kidney that it touches.
    """
    away = (_softened(kidney, 3) == 0) & _inside_body(hu)
    places = np.argwhere(away & (hu > 20))
    for _ in range(rng.integers(1, 6) if len(places) else 0):
        body = _round_body(places[rng.integers(len(places))], hu.shape, rng)
        if rng.random() < 0.5:
            filling, usable = _even(hu.shape, rng), away
        else:
            filling, other = _magnified(donors.tissues[rng.integers(len(donors.tissues))], hu, rng)
            usable = away & ~other
        soft = _softened(body & usable)
        hu = np.asarray(soft * filling + (1 - soft) * hu, np.float32)
    return hu


def _round_body(
    middle: NDArray[np.intp], shape: tuple[int, ...], rng: np.random.Generator
) -> Masks:
    """Draw a filled outline, more or less round, around a (row, column)."""
    radius, turn, bumps = rng.uniform(4, 32), rng.uniform(0, np.pi), rng.random(2) * (0.3, 0.1)
    reach = int(radius * 1.5) + 1
    box = tuple(
        slice(max(0, int(at) - reach), min(side, int(at) + reach + 1))
        for at, side in zip(middle, shape, strict=True)
    )
    rows, columns = np.ogrid[box]
    rows, columns = rows - middle[0], columns - middle[1]
    along = np.arctan2(rows, columns) - turn
    wave = 1 + bumps[0] * np.cos(2 * along) + bumps[1] * np.cos(5 * along)
    body = np.zeros(shape, np.bool_)
    body[box] = np.hypot(rows, columns) < radius * wave
    return body


def _cut_out(hu: Floats, target: Masks) -> Tumor:
    """Cut the tumour and a margin out of a slice."""
    mask = target[..., -1]
    box = tuple(
        slice(max(0, int(hits.min()) - MARGIN), int(hits.max()) + MARGIN + 1)
        for hits in np.nonzero(mask)
    )
    healthy = target[..., 0] & ~mask
    kidney = hu[healthy].mean() if healthy.sum() >= SMALLEST else hu[mask].mean() * 1.5
    return Tumor(hu[box], mask[box], float(max(kidney, 1.0)))


def _stamped(
    tumor: Tumor,
    place: NDArray[np.intp],
    scale: float,
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> tuple[Floats, Masks]:
    """Draw a tumour, turned and scaled, with its middle at a place of an empty slice."""
    middle = np.argwhere(tumor.mask).mean(axis=0)
    warp = _affine(place, middle, 1 / scale, rng)
    grey = _warped(tumor.hu, warp, shape)
    mask = _warped(tumor.mask.astype(np.float32), warp, shape) >= 0.5
    return grey, mask


def _magnified(tissue: Tissue, hu: Floats, rng: np.random.Generator) -> tuple[Floats, Masks]:
    """Fill a slice's grid with magnified tissue of another; also where that shows a kidney."""
    places = np.argwhere((tissue.hu > 20) & ~tissue.kidney)
    if not len(places):
        return hu, np.zeros(hu.shape, np.bool_)
    middle = np.array(hu.shape) / 2
    warp = _affine(middle, places[rng.integers(len(places))], 1 / rng.uniform(0.8, 2.5), rng)
    kidney = _warped(tissue.kidney.astype(np.float32), warp, hu.shape) > 0
    return _warped(tissue.hu, warp, hu.shape), kidney


def _even(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Even density, from water to bone, with noise."""
    return np.asarray(rng.uniform(0, 255) + rng.normal(0, 4, shape), np.float32)


def _affine(
    target: NDArray[np.generic], source: NDArray[np.generic], step: float, rng: np.random.Generator
) -> tuple[float, ...]:
    """Turn by any angle, maybe mirrored, so that ``target`` (row, column) shows ``source``."""
    angle, flip = rng.uniform(0, 2 * np.pi), rng.choice((-1.0, 1.0))
    a, b = step * np.cos(angle), step * np.sin(angle) * flip
    d, e = -step * np.sin(angle), step * np.cos(angle) * flip
    column, row = float(target[1]), float(target[0])
    return (
        float(a), float(b), float(source[1] - a * column - b * row),
        float(d), float(e), float(source[0] - d * column - e * row),
    )  # fmt: skip


def _warped(plane: Floats, warp: tuple[float, ...], shape: tuple[int, ...]) -> Floats:
    """Sample a plane at every pixel of a slice of this shape; 0 outside."""
    size = (shape[1], shape[0])
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    moved = image.transform(size, Image.Transform.AFFINE, warp, Image.Resampling.BILINEAR)
    return np.array(moved)


def _inside_body(hu: Floats) -> Masks:
    """Pixels with tissue to the left and to the right of them in their row."""
    tissue = hu > 0
    left = np.logical_or.accumulate(tissue, axis=1)
    right = np.logical_or.accumulate(tissue[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(left & right)


def _softened(mask: Masks, reach: int = 1) -> Floats:
    """Share of the mask in a square of 2 x reach + 1 pixels."""
    share = ndimage.uniform_filter(mask.astype(np.float32), 2 * reach + 1, mode="nearest")
    # Running sums leave dust where there is nothing.
    return np.where(share < 1e-4, np.float32(0), share)
