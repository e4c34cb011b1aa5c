"""Finds where a model's output lies on its input: cropped, coarser or finer."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from edgeseg.bundle.manifest import OutputField
from edgeseg.errors import ModelError, field_name
from edgeseg.network.graph import Graph, Layer, Tensor
from edgeseg_converters.layers.registry import kind_of

_AXES = (1, 2)
_IMAGE_RANK = 4
_RESIZED = frozenset({"DepthToSpace", "Resizing"})
_MOST_TIMES = 16
"""An output of fewer pixels than that tells nothing of where things are."""

_HALF = Fraction(1, 2)


@dataclass(frozen=True)
class _Places:
    """The middle of pixel ``i`` along an axis is at pixel ``first + step * i`` of the input."""

    first: Fraction
    step: Fraction

    def edge(self) -> Fraction:
        """Return where the first pixel begins, from the input's first edge."""
        return self.first + _HALF - self.step / 2


_EACH = _Places(Fraction(0), Fraction(1))


def output_field(graph: Graph) -> OutputField | None:
    """Return where the output of a model lies on its input; None where pixel is pixel.

    A model without padding makes the middle of the image, one that ends at another resolution
    all of it.

    Parameters
    ----------
    graph
        A graph with one input and one output, (1, H, W, C) each.

    Raises
    ------
    ModelError
        If that can't be told.
    """
    image, output = graph.inputs[0], graph.tensors[graph.outputs[0]]
    size, made = image.shape[1:3], output.shape[1:3]
    if size == made:
        return None
    spans = [_span(graph, axis) for axis in _AXES]
    tall, wide = spans
    if tall is None or wide is None:
        raise ModelError(
            f"the model reads {_extents(image)} and makes {_extents(output)}, and where these "
            f"lie in the image can't be told; give another {field_name('input_shape')}, or end "
            "the model in the size of its input"
        )
    (top, height), (left, width) = tall, wide
    return OutputField((made[0], made[1]), float(top), float(left), float(height), float(width))


def _span(graph: Graph, axis: int) -> tuple[Fraction, Fraction] | None:
    """Return where the output begins on the input along an axis, and how much it covers."""
    output = graph.tensors[graph.outputs[0]]
    extent, made = graph.inputs[0].shape[axis], output.shape[axis]
    everything = Fraction(0), Fraction(extent)
    if extent == made:
        return everything
    places = _trace(graph, axis)
    if places is None:
        longer, shorter = max(extent, made), min(extent, made)
        return everything if longer % shorter == 0 and longer // shorter <= _MOST_TIMES else None
    covered = places.step * made
    if places.step > _MOST_TIMES:
        return None
    return everything if covered == extent else (places.edge(), covered)


def _trace(graph: Graph, axis: int) -> _Places | None:
    """Follow the places of pixels from the input to the output; None where they can't be told."""
    places: dict[str, _Places | None] = {graph.inputs[0].name: _EACH}
    for layer in graph.layers:
        made = layer.output
        places[layer.name] = None
        if len(made.shape) != _IMAGE_RANK:
            continue
        # What is broadcast, such as the gates of channels, has no places of its own.
        read = [
            tensor
            for name in layer.inputs
            if _is_image(tensor := graph.tensors[name]) and places[name] is not None
        ]
        longest = max(read, key=lambda tensor: tensor.shape[axis], default=None)
        source = None if longest is None else places[longest.name]
        if longest is not None and source is not None:
            step = _step(layer, longest, axis)
            places[layer.name] = None if step is None else _joined(source, step)
    return places[graph.outputs[0]]


def _joined(source: _Places, step: _Places) -> _Places:
    return _Places(source.first + source.step * step.first, source.step * step.step)


def _step(layer: Layer, read: Tensor, axis: int) -> _Places | None:
    """Return the places of a layer's pixels in what it reads."""
    extent, made = read.shape[axis], layer.output.shape[axis]
    if layer.kind in _RESIZED:
        step = Fraction(extent, made)
        return _Places(step / 2 - _HALF, step)
    flow = kind_of(layer.kind).rows(_along(layer.config, axis), extent, made)
    if isinstance(flow, str):
        return _EACH if extent == made else None
    middle = Fraction(flow.low + flow.high, 2) - Fraction(flow.per - 1, 2)
    return _Places(middle / flow.per, Fraction(flow.step, flow.per))


def _along(config: Mapping[str, Any], axis: int) -> Mapping[str, Any]:
    """Return settings with what is said of an axis in the place of rows."""
    if axis == _AXES[0]:
        return config
    return {
        key: type(value)(reversed(value))
        if isinstance(value, list | tuple) and len(value) == len(_AXES)
        else value
        for key, value in config.items()
    }


def _is_image(tensor: Tensor) -> bool:
    return len(tensor.shape) == _IMAGE_RANK


def _extents(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape[1:3]))
