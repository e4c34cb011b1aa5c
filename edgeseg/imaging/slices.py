"""One slice on its way to the model's 8-bit grid, and its probabilities on the way back.

Both ways use the same frame: the rectangle of whole pixels on the model's grid that holds the
slice. The rounding to whole pixels makes the way back the exact inverse of the way there.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgeseg.bundle.manifest import Decoding, Preprocessing

Grey: TypeAlias = NDArray[np.uint8]
"""8-bit image (rows, columns), 0..255 over the window."""

Mask: TypeAlias = NDArray[np.uint8]
"""Label values (rows, columns)."""

Hounsfield: TypeAlias = NDArray[np.int16] | NDArray[np.float32]
"""CT values in HU."""

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
    known = geometry.row_mm is not None and geometry.col_mm is not None
    tall_mm = geometry.rows * (geometry.row_mm if known and geometry.row_mm else 1.0)
    wide_mm = geometry.cols * (geometry.col_mm if known and geometry.col_mm else 1.0)
    least_mm = (preprocessing.spacing_mm or 0.0) if known else 0.0
    pixel_mm = max(least_mm, tall_mm / height, wide_mm / width)
    rows, cols = max(1, round(tall_mm / pixel_mm)), max(1, round(wide_mm / pixel_mm))
    return Frame((height - rows) // 2, (width - cols) // 2, rows, cols)


def to_model(
    image: Hounsfield | Grey,
    geometry: SliceGeometry,
    preprocessing: Preprocessing,
    *,
    windowed: bool,
) -> Grey:
    """Resample a slice to the model's grid in 8 bit.

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
    Grey
        (H, W); what lies outside the slice has the window's low end, 0. A slice of the model's
        own size and pixel is not resampled.
    """
    grey = image.astype(np.uint8, copy=False) if windowed else window(image, preprocessing.window)
    frame = frame_of(geometry, preprocessing)
    if grey.shape != (frame.height, frame.width):
        picture = Image.fromarray(np.ascontiguousarray(grey))
        size = (frame.width, frame.height)
        # Pillow's bilinear filter averages when it shrinks: no aliasing from fine pixels.
        resized = picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.0)
        grey = np.asarray(resized)
    if grey.shape == preprocessing.size:
        return grey
    canvas = np.zeros(preprocessing.size, np.uint8)
    canvas[frame.area] = grey
    return canvas


def window(image: Hounsfield | Grey, limits: tuple[float, float]) -> Grey:
    """Clip HU to the window and scale it to 0..255."""
    low, high = limits
    scaled: NDArray[np.float32] = np.subtract(image, np.float32(low), dtype=np.float32, order="C")
    scaled *= np.float32(255.0 / (high - low))
    return _rounded(scaled)


def to_input(grey: Grey, preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Turn an 8-bit image (H, W) into the model's input, (1, H, W, channels) in its range."""
    low, high = preprocessing.input_range
    scaled = np.multiply(grey, np.float32((high - low) / 255.0), dtype=np.float32)
    scaled += np.float32(low)
    grey_tensor = scaled[np.newaxis, :, :, np.newaxis]
    if preprocessing.channels == 1:
        return grey_tensor
    tensor: NDArray[np.float32] = np.repeat(grey_tensor, preprocessing.channels, axis=3)
    return tensor


def to_probabilities(output: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Turn the model's output (1, H, W, C), 0..1, into 8-bit probabilities (H, W, C).

    One half becomes :data:`HALF`: thresholds before and after agree.
    """
    scaled: NDArray[np.float32] = np.multiply(output[0], np.float32(255.0), dtype=np.float32)
    return _rounded(scaled)


def _rounded(scaled: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round 0..255 half up to 8 bit, in place as far as can be."""
    scaled += np.float32(0.5)
    np.clip(scaled, 0.0, 255.0, out=scaled)
    return scaled.astype(np.uint8)


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
    inside = probabilities[frame_of(geometry, preprocessing).area]
    if decoding.activation == "softmax":
        _paint_most_probable(mask, inside, decoding.channels)
    else:
        for channel, label in enumerate(decoding.channels):
            _paint_likely(mask, inside[:, :, channel], label)
    return mask


def to_native_probabilities(
    plane: Grey, geometry: SliceGeometry, preprocessing: Preprocessing
) -> Grey:
    """Resample one channel's 8-bit probabilities (H, W) to the slice's own grid (rows, columns).

    Bilinear, as :func:`to_native` does it before it decides.
    """
    inside = np.ascontiguousarray(plane[frame_of(geometry, preprocessing).area])
    size = (geometry.cols, geometry.rows)
    return np.asarray(Image.fromarray(inside).resize(size, Image.Resampling.BILINEAR))


def cheaper_on_board(geometry: SliceGeometry, preprocessing: Preprocessing, channels: int) -> bool:
    """Tell whether a native mask is fewer bytes on the wire than 8-bit probabilities."""
    height, width = preprocessing.size
    return geometry.rows * geometry.cols < height * width * channels


def _paint_likely(mask: Mask, plane: Grey, label: int) -> None:
    """Paint a label where its resampled probability is at least one half."""
    box = _Box.around(plane >= HALF, mask.shape)
    if box is not None:
        np.putmask(mask[box.native], box.resample(plane) >= HALF, label)


def _paint_most_probable(mask: Mask, inside: NDArray[np.uint8], labels: tuple[int, ...]) -> None:
    """Paint the label of the most probable channel after resampling."""
    values = np.array(labels, np.uint8)
    box = _Box.around(values[inside.argmax(axis=2)] != 0, mask.shape)
    if box is not None:
        planes = [box.resample(inside[:, :, channel]) for channel in range(len(labels))]
        mask[box.native] = values[np.argmax(planes, axis=0)]


@dataclass(frozen=True, slots=True)
class _Box:
    """A box of native pixels and the same box in fractions of model pixels."""

    native: tuple[slice, slice]
    model: tuple[float, float, float, float]

    @classmethod
    def around(cls, foreground: NDArray[np.bool_], shape: tuple[int, ...]) -> "_Box | None":
        """Enclose every native pixel that a foreground pixel of the model can reach."""
        rows = _reach(np.flatnonzero(foreground.any(axis=1)), foreground.shape[0], shape[0])
        cols = _reach(np.flatnonzero(foreground.any(axis=0)), foreground.shape[1], shape[1])
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
    hits: NDArray[np.intp], model_extent: int, native_extent: int
) -> tuple[int, int, float, float] | None:
    """Return the native range that model pixels reach along one axis, and its model range."""
    if not hits.size:
        return None
    scale = model_extent / native_extent
    # The bilinear filter spans one pixel of the coarser grid to either side.
    margin = max(1.0, scale)
    first = max(0, int((hits[0] - margin) / scale))
    last = min(native_extent, int((hits[-1] + 1 + margin) / scale) + 1)
    return first, last, first * scale, min(last * scale, float(model_extent))
