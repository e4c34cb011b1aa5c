"""What range of numbers a model reads, as far as its first layers tell."""

from edgeseg.errors import field_name
from edgeseg.network.graph import Graph, Layer

UNIT = (0.0, 1.0)
"""What is fed where nothing else is known."""

GREY = (0.0, 255.0)
"""What a model that divides by 255 itself was trained on."""

_LARGEST_SCALE = 1 / 100
"""A first Rescaling by less is one of grey levels, not one of numbers from 0 to 1."""


def expected_range(graph: Graph) -> tuple[tuple[float, float], str | None]:
    """Return what to feed a model for the ends of the window, and a line if that is no 0 to 1.

    A model whose first layer scales its input down by a hundred or more, such as
    ``Rescaling(1 / 255)`` or ``x / 127.5 - 1``, reads grey levels.
    """
    image = graph.inputs[0].name
    readers = [layer for layer in graph.layers if image in layer.inputs]
    if not readers or not all(_scales_grey(layer) for layer in readers):
        return UNIT, None
    name = readers[0].name
    return GREY, (
        f"{name} rescales the model's input, which is taken for grey levels: it is fed 0 to 255; "
        f"{field_name('input_range')} says otherwise"
    )


def _scales_grey(layer: Layer) -> bool:
    scale = layer.config.get("scale") if layer.kind == "Rescaling" else None
    return isinstance(scale, int | float) and 0 < scale <= _LARGEST_SCALE
