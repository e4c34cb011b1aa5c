"""HU as the whole levels in which a slice travels, and the model's floats made of them.

Levels of 8 bits divide the window into 255. Levels of 16 bits are a power of two HU apart, as
close as the window allows, and whole HU are among them: of CT in whole HU nothing is rounded
but what resampling makes, and the model reads what it would of the HU themselves.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Interval, Preprocessing
from edgeseg.errors import VolumeError

Grey: TypeAlias = NDArray[np.uint8]
"""8-bit image (rows, columns), 0..255 over the window."""

Hounsfield: TypeAlias = NDArray[np.int16] | NDArray[np.float32]
"""CT values in HU."""

Levels: TypeAlias = Grey | NDArray[np.uint16]
"""A slice (H, W), or several (N, H, W), in the levels in which it travels."""

GREY_LEVELS = 255
_HIGHEST_16_BIT = 2**16 - 1


@dataclass(frozen=True, slots=True)
class LevelScale:
    """What 16-bit levels mean: ``base + step * level`` HU.

    Attributes
    ----------
    base
        A whole number of HU, so that with a step of a power of two every whole HU is a level.
    step
        HU from one level to the next.
    lowest, highest
        The levels of the window's ends.
    """

    base: float
    step: float
    lowest: int
    highest: int

    @classmethod
    def of(cls, window: Interval) -> "LevelScale":
        """Return the finest scale whose levels hold a window."""
        low, high = window
        base = float(math.floor(low))
        step = 2.0 ** math.ceil(math.log2((high - base) / _HIGHEST_16_BIT))
        return cls(base, step, round((low - base) / step), round((high - base) / step))


def holds_whole_hu(window: Interval) -> bool:
    """Tell whether the levels of 8 bits are the whole HU of a window, as those of 0..255 are."""
    low, high = window
    return float(low).is_integer() and high - low == GREY_LEVELS


def outside(preprocessing: Preprocessing) -> int:
    """Return the level of what lies beside a slice: the low end of the window."""
    return 0 if preprocessing.level_type == "uint8" else LevelScale.of(preprocessing.window).lowest


def window(image: Hounsfield | Grey, limits: Interval) -> Grey:
    """Clip HU to the window and scale it to 0..255."""
    low, high = limits
    scaled: NDArray[np.float32] = np.subtract(image, np.float32(low), dtype=np.float32, order="C")
    scaled *= np.float32(GREY_LEVELS / (high - low))
    return rounded(scaled)


def rounded(scaled: NDArray[np.float32]) -> Grey:
    """Round 0..255 half up to 8 bit, in place as far as can be."""
    scaled += np.float32(0.5)
    np.clip(scaled, 0.0, 255.0, out=scaled)
    return scaled.astype(np.uint8)


def clipped(
    image: Hounsfield | Grey, preprocessing: Preprocessing, *, windowed: bool
) -> NDArray[np.float32]:
    """Return a slice (rows, columns) in HU, clipped to the window.

    Parameters
    ----------
    image
        HU, or 8-bit grey over the window where ``windowed``.
    preprocessing
        That of the manifest.
    windowed
        Whether the image has been windowed to 8 bit already.

    Raises
    ------
    VolumeError
        If it has been, and the channels of the model have windows of their own.
    """
    low, high = preprocessing.window
    if not windowed:
        hu: NDArray[np.float32] = np.clip(image, low, high, dtype=np.float32)
        return hu
    check_pictures(preprocessing)
    scaled = np.multiply(image, np.float32((high - low) / GREY_LEVELS), dtype=np.float32)
    scaled += np.float32(low)
    return scaled


def check_pictures(preprocessing: Preprocessing) -> None:
    """Refuse pictures, which have been windowed, to a model whose channels have several windows.

    Raises
    ------
    VolumeError
        If the model reads several.
    """
    if len({preprocessing.window_of(c) for c in range(preprocessing.channels)}) > 1:
        raise VolumeError(
            "pictures have been windowed already, and this model reads several windows; give the "
            "CT in HU, as NIfTI or DICOM"
        )


def to_levels(hu: NDArray[np.float32], preprocessing: Preprocessing) -> NDArray[np.uint16]:
    """Round HU within the window, of any shape, to levels of 16 bits; the array is used up."""
    scale = LevelScale.of(preprocessing.window)
    hu -= np.float32(scale.base)
    hu *= np.float32(1 / scale.step)
    hu += np.float32(0.5)
    np.clip(hu, scale.lowest, scale.highest, out=hu)
    return hu.astype(np.uint16)


def as_grey(levels: Levels, preprocessing: Preprocessing) -> Grey:
    """Return levels of any shape as 8-bit grey over the window."""
    if preprocessing.level_type == "uint8":
        return levels.astype(np.uint8, copy=False)
    scale = LevelScale.of(preprocessing.window)
    above = np.subtract(levels, np.float32(scale.lowest), dtype=np.float32)
    above *= np.float32(GREY_LEVELS / (scale.highest - scale.lowest))
    return rounded(above)


def random_levels(
    preprocessing: Preprocessing, generator: np.random.Generator, count: int
) -> list[Levels]:
    """Return so many inputs of uniform noise over the window: (H, W), or (N, H, W) of a stack."""
    planes = preprocessing.planes
    shape = (count, *([planes] if planes > 1 else []), *preprocessing.size)
    if preprocessing.level_type == "uint8":
        return list(generator.integers(0, GREY_LEVELS + 1, shape, dtype=np.uint8))
    scale = LevelScale.of(preprocessing.window)
    return list(generator.integers(scale.lowest, scale.highest + 1, shape, dtype=np.uint16))


def to_input(levels: Levels, preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Make the model's input, (1, H, W, channels), of the levels of a slice or of a stack.

    Parameters
    ----------
    levels
        (H, W), or (N, H, W) where the model reads N neighbouring slices.
    preprocessing
        That of the manifest.
    """
    planes = levels if levels.ndim > len(preprocessing.size) else levels[np.newaxis]
    tensor = np.empty((1, *preprocessing.size, preprocessing.channels), np.float32)
    for channel in range(preprocessing.channels):
        plane = planes[channel % len(planes)]
        if preprocessing.level_type == "uint8":
            _scale_grey(plane, tensor[0, :, :, channel], preprocessing.input_range)
        else:
            _fill_channel(plane, tensor[0, :, :, channel], preprocessing, channel)
    return tensor


def _scale_grey(plane: Levels, channel: NDArray[np.float32], input_range: Interval) -> None:
    low, high = input_range
    np.multiply(plane, np.float32((high - low) / GREY_LEVELS), out=channel, dtype=np.float32)
    channel += np.float32(low)


def _fill_channel(
    plane: Levels, values: NDArray[np.float32], preprocessing: Preprocessing, channel: int
) -> None:
    """Write what a channel reads of a slice; a whole HU is exact up to the last division."""
    scale = LevelScale.of(preprocessing.window)
    low, high = preprocessing.window_of(channel)
    np.multiply(plane, np.float32(scale.step), out=values, dtype=np.float32)
    values += np.float32(scale.base)
    np.clip(values, np.float32(low), np.float32(high), out=values)
    normalization = preprocessing.normalization_of(channel)
    if normalization is not None:
        mean, deviation = normalization
        values -= np.float32(mean)
        values /= np.float32(deviation)
        return
    bottom, top = preprocessing.input_range
    if (bottom, top) == (low, high):
        return  # the model reads HU
    values -= np.float32(low)
    values /= np.float32(high - low)
    if (bottom, top) != (0.0, 1.0):
        values *= np.float32(top - bottom)
        values += np.float32(bottom)


def describe_input(preprocessing: Preprocessing) -> str:
    """Return in words what a model reads of a slice, as a bundle's tables and reports state it."""
    channels = range(preprocessing.channels)
    windows = dict.fromkeys(map(preprocessing.window_of, channels))
    hu = ", ".join(f"{low:g} to {high:g}" for low, high in windows)
    bits = 8 if preprocessing.level_type == "uint8" else 16
    normalizations = dict.fromkeys(map(preprocessing.normalization_of, channels))
    fed = ", ".join(
        f"(HU - {pair[0]:g}) / {pair[1]:g}" for pair in normalizations if pair is not None
    )
    if not fed:
        fed = "{:g} to {:g}".format(*preprocessing.input_range)
    tiles = (
        f", larger slices in tiles, {preprocessing.tile_step:g} of a tile apart"
        if preprocessing.is_tiled
        else ""
    )
    return f"HU {hu} in {bits} bit fed as {fed}{_channels_in_words(preprocessing)}{tiles}"


def _channels_in_words(preprocessing: Preprocessing) -> str:
    count = preprocessing.channels
    if preprocessing.slices is not msgspec.UNSET:
        return f", {count} neighbouring slices from feet to head as channels"
    if preprocessing.windows is not msgspec.UNSET:
        return f", one window for each of {count} channels"
    return f", the same slice in {count} channels" if count > 1 else ""
