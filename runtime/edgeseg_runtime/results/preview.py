"""Pictures of a result: the most telling slices with the contours of the labels."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from edgeseg.bundle.manifest import Label, Manifest
from edgeseg.files.atomic import atomic_path
from edgeseg.imaging.levels import window
from edgeseg.imaging.scan import Scan
from edgeseg.imaging.slices import HALF, Mask, SliceGeometry
from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg_runtime.results.statistics import voxel_mm3

MAX_SLICES = 12
MAX_COLUMNS = 4
WIDTH = 1320
MAX_CELL = 660
STRIP_SLICES = 3
STRIP_CELL = 200
STRIP_QUALITY = 75
GAP = 8
BAND = 56
LINE = 3
TINT = 40
SOFT_TISSUE = (-160, 240)
"""HU of the abdominal window (width 400, level 40), whatever window the model uses."""

BACKGROUND = "#111417"
TEXT = "#e8eaed"
FAINT = "#9aa0a6"


def write_preview(path: Path, scan: Scan, masks: Sequence[Mask], manifest: Manifest) -> None:
    """Write a montage of up to twelve slices as PNG.

    It names the model, but no file: a name may be a patient's.

    Parameters
    ----------
    path
        Where to write.
    scan, masks
        The scan and one mask (rows, columns) for each of its slices.
    manifest
        Labels with their colours.

    Raises
    ------
    OutputError
        If the file can't be written; nothing half-written is left.
    """
    labels = manifest.labels
    areas = _areas(masks, labels)
    indices = telling_slices(areas, MAX_SLICES)
    columns = math.ceil(len(indices) / math.ceil(len(indices) / MAX_COLUMNS))
    cell = min(MAX_CELL, (WIDTH - GAP) // columns - GAP)
    tiles = [_tile(scan, index, masks[index], manifest, cell) for index in indices]
    sheet = _arranged(tiles, columns)
    _write_legend(sheet, labels, areas.sum(axis=0).tolist(), voxel_mm3(scan))
    _write_footer(sheet, manifest.model_name)
    with atomic_path(path) as target:
        sheet.save(target)


def write_strip(path: Path, scan: Scan, masks: Sequence[Mask], manifest: Manifest) -> None:
    """Write a row of the three most telling slices as a small JPEG, for a sheet of many scans.

    Parameters
    ----------
    path, scan, masks, manifest
        As for :func:`write_preview`.

    Raises
    ------
    OutputError
        If the file can't be written; nothing half-written is left.
    """
    indices = telling_slices(_areas(masks, manifest.labels), STRIP_SLICES)
    tiles = [_tile(scan, index, masks[index], manifest, STRIP_CELL) for index in indices]
    strip = Image.new("RGB", (STRIP_SLICES * STRIP_CELL, STRIP_CELL), BACKGROUND)
    for place, tile in enumerate(tiles):
        strip.paste(tile, (place * STRIP_CELL, 0))
    with atomic_path(path) as target:
        strip.save(target, quality=STRIP_QUALITY)


def telling_slices(areas: NDArray[np.int64], count: int) -> list[int]:
    """Choose the slices to show, in order.

    They are spread evenly over the slices that hold a label, with the slice where each label is
    largest among them; where there is no label they are spread over the whole scan.

    Parameters
    ----------
    areas
        (slices, labels) pixels of each label in each slice.
    count
        How many to choose at most.
    """
    candidates = np.flatnonzero(areas.sum(axis=1))
    if not candidates.size:
        return _spread(np.arange(len(areas)), count)
    peaks = {int(areas[:, label].argmax()) for label in np.flatnonzero(areas.sum(axis=0))}
    indices = _spread(candidates, count)
    for peak in sorted(peaks - set(indices)):
        replaceable = [index for index in indices if index not in peaks]
        if replaceable:
            indices.remove(min(replaceable, key=lambda index: abs(index - peak)))
            indices.append(peak)
    return sorted(indices)


def _areas(masks: Sequence[Mask], labels: Sequence[Label]) -> NDArray[np.int64]:
    """Count the pixels of each label in each slice, (slices, labels)."""
    return np.array([[np.count_nonzero(mask == label.value) for label in labels] for mask in masks])


def _spread(candidates: NDArray[np.intp], count: int) -> list[int]:
    """Return evenly spaced candidates, each amid its share of them."""
    count = min(count, candidates.size)
    places = ((np.arange(count) + 0.5) * candidates.size / count).astype(int)
    return [int(index) for index in candidates[places]]


def _tile(scan: Scan, index: int, mask: Mask, manifest: Manifest, cell: int) -> Image.Image:
    """Return one slice with its contours, its name and the patient's sides, to fit the cell."""
    size = _fitted(scan.geometry(index), cell)
    image = scan.slice(index)
    grey = image.astype(np.uint8) if scan.windowed else window(image, SOFT_TISSUE)
    picture = Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC).convert("RGB")
    for label in manifest.labels:
        if (mask == label.value).any():
            picture.paste(label.color, mask=_outlined(mask == label.value, size))
    tile = Image.new("RGB", (cell, cell), "black")
    tile.paste(picture, ((cell - size[0]) // 2, (cell - size[1]) // 2))
    _annotate(tile, scan.name(index), sides=scan.affine is not None)
    return tile


def _fitted(geometry: SliceGeometry, cell: int) -> tuple[int, int]:
    """Return width and height in a cell of so many pixels, true to the slice's extent in mm."""
    tall = geometry.rows * (geometry.row_mm or 1.0)
    wide = geometry.cols * (geometry.col_mm or 1.0)
    scale = cell / max(tall, wide)
    return max(1, round(wide * scale)), max(1, round(tall * scale))


def _outlined(inside: NDArray[np.bool_], size: tuple[int, int]) -> Image.Image:
    """Return the opacity of a region, drawn in that size: a smooth line around a light tint."""
    fine = (size[0] * 2, size[1] * 2)
    region = Image.fromarray(inside.astype(np.uint8) * 255).resize(fine, Image.Resampling.BILINEAR)
    core = filled = np.pad(np.asarray(region) >= HALF, LINE)
    for shift in range(-LINE, LINE + 1):
        core = core & np.roll(filled, shift, 0) & np.roll(filled, shift, 1)
    opacity = np.where(core, TINT, 255) * filled
    # Drawn at twice the size: halving it smooths the line.
    return Image.fromarray(opacity[LINE:-LINE, LINE:-LINE].astype(np.uint8)).reduce(2)


def _annotate(tile: Image.Image, name: str, *, sides: bool) -> None:
    draw = ImageDraw.Draw(tile)
    size = tile.width
    draw.text((8, 6), name, TEXT, _font(15), stroke_width=1, stroke_fill="black")
    if sides:
        draw.text((8, size // 2), "R", FAINT, _font(16), anchor="lm")
        draw.text((size - 8, size // 2), "L", FAINT, _font(16), anchor="rm")


def _arranged(tiles: Sequence[Image.Image], columns: int) -> Image.Image:
    """Return a sheet with the tiles in rows, and a band above and below."""
    cell = tiles[0].width + GAP
    rows = math.ceil(len(tiles) / columns)
    size = (GAP + columns * cell, rows * cell + 2 * BAND - GAP)
    sheet = Image.new("RGB", size, BACKGROUND)
    for place, tile in enumerate(tiles):
        sheet.paste(tile, (GAP + place % columns * cell, BAND + place // columns * cell))
    return sheet


def _write_legend(
    sheet: Image.Image, labels: Sequence[Label], voxels: Sequence[int], unit_mm3: float | None
) -> None:
    """Write colour, name and volume of every label that occurs."""
    draw, font, place = ImageDraw.Draw(sheet), _font(20), float(GAP + 4)
    middle = BAND // 2
    if not any(voxels):
        draw.text((place, middle), "nothing found", TEXT, font, anchor="lm")
    for label, count in zip(labels, voxels, strict=True):
        if not count:
            continue
        amount = f"{count:,} px" if unit_mm3 is None else f"{count * unit_mm3 / 1000:.1f} mL"
        text = f"{label.name}  {amount}"
        draw.rounded_rectangle((place, middle - 8, place + 16, middle + 8), 4, label.color)
        draw.text((place + 26, middle), text, TEXT, font, anchor="lm")
        place += 26 + draw.textlength(text, font) + 36


def _write_footer(sheet: Image.Image, text: str) -> None:
    draw, middle = ImageDraw.Draw(sheet), sheet.height - BAND // 2
    draw.text((GAP + 4, middle - 2), RESEARCH_NOTE, TEXT, _font(16), anchor="lb")
    draw.text((GAP + 4, middle + 5), text, FAINT, _font(14), anchor="lt")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
