"""One slice on its way to the model's grid, and its probabilities on the way back.

Both ways use the same frame: the rectangle of whole pixels on the model's grid that holds the
slice. The rounding to whole pixels makes the way back the exact inverse of the way there.
"""

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgeseg.bundle.manifest import Decoding, Port, Preprocessing
from edgeseg.errors import field_name
from edgeseg.imaging.levels import (
    Grey,
    Hounsfield,
    Levels,
    clipped,
    outside,
    rounded,
    to_levels,
    window,
)
from edgeseg.imaging.output_field import FramedOutput, Span, frame_output

Mask: TypeAlias = NDArray[np.uint8]
"""Label values (rows, columns)."""

_COARSER = 1.05
"""How much larger pixels than the model's own are worth a word."""

HALF = 128
"""The least 8-bit probability that is at least one half."""


@dataclass(frozen=True, slots=True)
class SliceGeometry:
    """Size of a slice in pixels, and of its pixels in mm (None where nobody knows it)."""

    rows: int
    cols: int
    row_mm: float | None = None
    col_mm: float | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a slice lies on the model's grid, in whole pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def area(self) -> tuple[slice, slice]:
        """Index of the frame in an array (rows, columns, ...)."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def frame_of(geometry: SliceGeometry, preprocessing: Preprocessing) -> Frame:
    """Return where a slice lies on the model's grid: centred, in square pixels, nothing cropped.

    Without known spacing the slice's own pixels are taken as square and the whole grid is used.
    """
    height, width = preprocessing.size
    tall_mm, wide_mm = _extent(geometry)
    least_mm = (preprocessing.spacing_mm or 0.0) if _is_known(geometry) else 0.0
    pixel_mm = max(least_mm, tall_mm / height, wide_mm / width)
    rows, cols = max(1, round(tall_mm / pixel_mm)), max(1, round(wide_mm / pixel_mm))
    return Frame((height - rows) // 2, (width - cols) // 2, rows, cols)


def shrinking(geometry: SliceGeometry, preprocessing: Preprocessing) -> str | None:
    """Return in a line that a slice is read coarser than the model was trained, or None."""
    spacing_mm, (height, width) = preprocessing.spacing_mm, preprocessing.size
    if spacing_mm is None or preprocessing.is_tiled or not _is_known(geometry):
        return None
    tall_mm, wide_mm = _extent(geometry)
    pixel_mm = max(tall_mm / height, wide_mm / width)
    if pixel_mm < _COARSER * spacing_mm:
        return None
    return (
        f"slices of {tall_mm:.0f} x {wide_mm:.0f} mm are larger than the model's field: they are "
        f"read at {pixel_mm:.2g} mm a pixel, and it was trained at {spacing_mm:g}; convert it with "
        f"{field_name('field')} tiles to read them at that"
    )


def _is_known(geometry: SliceGeometry) -> bool:
    return geometry.row_mm is not None and geometry.col_mm is not None


def _extent(geometry: SliceGeometry) -> tuple[float, float]:
    """Return the height and width of a slice in mm, or in pixels where nobody knows these."""
    known = _is_known(geometry)
    return (
        geometry.rows * (geometry.row_mm if known and geometry.row_mm else 1.0),
        geometry.cols * (geometry.col_mm if known and geometry.col_mm else 1.0),
    )


def to_model(
    image: Hounsfield | Grey,
    geometry: SliceGeometry,
    preprocessing: Preprocessing,
    *,
    windowed: bool,
) -> Levels:
    """Resample a slice to the model's grid, in the levels in which it travels.

    Parameters
    ----------
    image
        (rows, columns) in HU, or 8-bit grey where ``windowed``.
    geometry
        Of the slice.
    preprocessing
        That of the manifest.
    windowed
        Whether the image has been windowed to 8 bit already.

    Returns
    -------
    Levels
        (H, W); what lies outside the slice has the level of the window's low end. A slice of the
        model's own size and pixel is not resampled. Levels of 16 bits are rounded after
        resampling, those of 8 bits before and after.

    Raises
    ------
    VolumeError
        If the image has been windowed, and the model reads several windows.
    """
    frame = frame_of(geometry, preprocessing)
    inside: Levels
    if preprocessing.level_type == "uint8":
        grey = (
            image.astype(np.uint8, copy=False) if windowed else window(image, preprocessing.window)
        )
        inside = _resampled(grey, frame)
    else:
        hu = _resampled(clipped(image, preprocessing, windowed=windowed), frame)
        inside = to_levels(np.require(hu, requirements="W"), preprocessing)
    if inside.shape == preprocessing.size:
        return inside
    canvas = np.full(preprocessing.size, outside(preprocessing), preprocessing.level_type)
    canvas[frame.area] = inside
    return canvas


def _resampled(image: NDArray[Any], frame: Frame) -> NDArray[Any]:
    """Return an 8-bit or float32 image in the size of its frame."""
    if image.shape == (frame.height, frame.width):
        return image
    picture = Image.fromarray(np.ascontiguousarray(image))
    size = (frame.width, frame.height)
    # Pillow's bilinear filter averages when it shrinks: no aliasing from fine pixels.
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.0))


def to_probabilities(output: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Turn the model's output (1, H, W, C), 0..1, into 8-bit probabilities (H, W, C).

    One half becomes :data:`HALF`: thresholds before and after agree.
    """
    scaled: NDArray[np.float32] = np.multiply(output[0], np.float32(255.0), dtype=np.float32)
    return rounded(scaled)


def to_native(
    probabilities: NDArray[np.uint8],
    geometry: SliceGeometry,
    preprocessing: Preprocessing,
    decoding: Decoding,
) -> Mask:
    """Resample 8-bit probabilities (H, W, C) to the slice's own grid, and decode them there.

    Probabilities are resampled bilinearly, never labels, and only in the box that may hold
    anything but background.

    Parameters
    ----------
    probabilities
        (H, W, C) on the model's grid, as :func:`to_probabilities` returns them.
    geometry
        Of the slice.
    preprocessing, decoding
        Those of the manifest.

    Returns
    -------
    Mask
        (rows, columns).
    """
    mask = np.zeros((geometry.rows, geometry.cols), np.uint8)
    output = _framed(probabilities, geometry, preprocessing, decoding)
    if decoding.activation == "softmax":
        _paint_most_probable(mask, output)
    else:
        for channel, label in enumerate(output.labels):
            _paint_likely(mask, output, channel, label)
    return mask


def to_native_probabilities(
    probabilities: NDArray[np.uint8],
    channel: int,
    geometry: SliceGeometry,
    preprocessing: Preprocessing,
    decoding: Decoding,
) -> Grey:
    """Resample one channel of 8-bit probabilities (H, W, C) to the slice's grid (rows, columns).

    Bilinear, as :func:`to_native` does it before it decides.
    """
    output = _framed(probabilities, geometry, preprocessing, decoding)
    plane = np.ascontiguousarray(output.probabilities[:, :, channel])
    (top, bottom), (left, right) = output.rows, output.cols
    return np.asarray(
        Image.fromarray(plane).resize(
            (geometry.cols, geometry.rows),
            Image.Resampling.BILINEAR,
            box=(left, top, right, bottom),
        )
    )


def cheaper_on_board(geometry: SliceGeometry, output: Port) -> bool:
    """Tell whether a native mask is fewer bytes on the wire than 8-bit probabilities."""
    return geometry.rows * geometry.cols < math.prod(output.shape[1:])


def _framed(
    probabilities: NDArray[np.uint8],
    geometry: SliceGeometry,
    preprocessing: Preprocessing,
    decoding: Decoding,
) -> FramedOutput:
    frame = frame_of(geometry, preprocessing)
    rows = frame.top, frame.top + frame.height
    cols = frame.left, frame.left + frame.width
    return frame_output(probabilities, decoding, rows, cols)


def _paint_likely(mask: Mask, output: FramedOutput, channel: int, label: int) -> None:
    """Paint a label where its resampled probability is at least one half."""
    plane = output.probabilities[:, :, channel]
    box = _Box.around(plane >= HALF, output, mask.shape)
    if box is not None:
        np.putmask(mask[box.native], box.resample(plane) >= HALF, label)


def _paint_most_probable(mask: Mask, output: FramedOutput) -> None:
    """Paint the label of the most probable channel after resampling."""
    values = np.array(output.labels, np.uint8)
    likeliest = output.probabilities.argmax(axis=2)
    box = _Box.around(values[likeliest] != 0, output, mask.shape)
    if box is not None:
        planes = [
            box.resample(output.probabilities[:, :, channel]) for channel in range(len(values))
        ]
        mask[box.native] = values[np.argmax(planes, axis=0)]


@dataclass(frozen=True, slots=True)
class _Box:
    """A box of native pixels and the same box in fractions of model pixels."""

    native: tuple[slice, slice]
    model: tuple[float, float, float, float]

    @classmethod
    def around(
        cls, foreground: NDArray[np.bool_], output: FramedOutput, shape: tuple[int, ...]
    ) -> "_Box | None":
        """Enclose every native pixel that a foreground pixel of the model can reach."""
        rows = _reach(np.flatnonzero(foreground.any(axis=1)), output.rows, shape[0])
        cols = _reach(np.flatnonzero(foreground.any(axis=0)), output.cols, shape[1])
        if rows is None or cols is None:
            return None
        (top, bottom, up, down), (left, right, start, end) = rows, cols
        return cls((slice(top, bottom), slice(left, right)), (start, up, end, down))

    def resample(self, plane: Grey) -> Grey:
        """Interpolate the model's plane at the native pixels of the box."""
        rows, cols = self.native
        size = (cols.stop - cols.start, rows.stop - rows.start)
        picture = Image.fromarray(np.ascontiguousarray(plane))
        return np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=self.model))


def _reach(
    hits: NDArray[np.intp], span: Span, native_extent: int
) -> tuple[int, int, float, float] | None:
    """Return the native range that model pixels reach along one axis, and its model range.

    Parameters
    ----------
    hits
        Pixels of the model that are not background.
    span
        First and last edge of the slice, in pixels of the model.
    native_extent
        Pixels of the slice.
    """
    if not hits.size:
        return None
    start, end = span
    scale = (end - start) / native_extent
    # The bilinear filter spans one pixel of the coarser grid to either side.
    margin = max(1.0, scale)
    first = max(0, int((hits[0] - margin - start) / scale))
    last = min(native_extent, int((hits[-1] + 1 + margin - start) / scale) + 1)
    if first >= last:
        return None
    return first, last, start + first * scale, min(start + last * scale, end)
