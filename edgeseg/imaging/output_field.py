"""Where the slice lies in a model's output, whose grid may be another than the input's."""

import itertools
import math
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Decoding

Span: TypeAlias = tuple[float, float]
"""First and last edge along an axis, in pixels of some grid."""

_FULL = 255


@dataclass(frozen=True, slots=True)
class FramedOutput:
    """An output, and where the slice lies in it.

    Attributes
    ----------
    probabilities
        8 bit, (rows, columns, channels).
    labels
        What each channel means, 0 for background.
    rows, cols
        First and last edge of the slice, in pixels of the probabilities.
    """

    probabilities: NDArray[np.uint8]
    labels: tuple[int, ...]
    rows: Span
    cols: Span


def frame_output(
    probabilities: NDArray[np.uint8],
    decoding: Decoding,
    rows: tuple[int, int],
    cols: tuple[int, int],
) -> FramedOutput:
    """Find a slice in an output; where it reaches beyond that, there is background.

    Parameters
    ----------
    probabilities
        8 bit, (rows, columns, channels), on the output's own grid.
    decoding
        That of the manifest.
    rows, cols
        First and last edge of the slice on the model's grid, in whole pixels.
    """
    field = decoding.field
    if isinstance(field, msgspec.UnsetType):
        inside = probabilities[slice(*rows), slice(*cols)]
        height, width = inside.shape[:2]
        return FramedOutput(inside, decoding.channels, (0.0, float(height)), (0.0, float(width)))
    tall = _on_output(rows, field.top, field.height / field.size[0])
    wide = _on_output(cols, field.left, field.width / field.size[1])
    margins = _beyond(tall, field.size[0]), _beyond(wide, field.size[1])
    padded, labels = _padded(probabilities, decoding, margins)
    (above, _), (left, _) = margins
    rows_inside, tall = _inside((tall[0] + above, tall[1] + above))
    cols_inside, wide = _inside((wide[0] + left, wide[1] + left))
    return FramedOutput(padded[rows_inside, cols_inside], labels, tall, wide)


def _on_output(edges: tuple[int, int], start: float, step: float) -> Span:
    """Return edges on the model's grid in pixels of the output, each ``step`` of the model's."""
    first, last = edges
    return (first - start) / step, (last - start) / step


def _beyond(span: Span, extent: int) -> tuple[int, int]:
    """Return how many pixels a span reaches beyond an output, before it and behind."""
    first, last = span
    return max(0, math.ceil(-first)), max(0, math.ceil(last - extent))


def _inside(span: Span) -> tuple[slice, Span]:
    """Return the pixels that a span touches, and the span in these alone."""
    first, last = span
    start, stop = math.floor(first), math.ceil(last)
    return slice(start, stop), (first - start, last - start)


def _padded(
    probabilities: NDArray[np.uint8],
    decoding: Decoding,
    margins: tuple[tuple[int, int], tuple[int, int]],
) -> tuple[NDArray[np.uint8], tuple[int, ...]]:
    """Put background around an output; where the likeliest wins, a channel says so."""
    labels = decoding.channels
    if not any(itertools.chain(*margins)):
        return probabilities, labels
    padded = np.pad(probabilities, (*margins, (0, 0)))
    if decoding.activation != "softmax":
        return padded, labels
    outside = np.pad(np.zeros(probabilities.shape[:2], np.uint8), margins, constant_values=_FULL)
    if 0 in labels:
        padded[:, :, labels.index(0)] |= outside
        return padded, labels
    return np.concatenate((padded, outside[:, :, np.newaxis]), axis=2), (*labels, 0)
