"""What a model reads is told by its first layer, or else from 0 to 1."""

import pytest

from edgeseg.network.graph import Graph, Layer, Tensor
from edgeseg_converters.keras.input_range import GREY, UNIT, expected_range

_IMAGE = Tensor("image", (1, 8, 8, 1))


def _graph(*first: Layer) -> Graph:
    outputs = tuple(layer.output.name for layer in first)
    return Graph(name="model", inputs=(_IMAGE,), layers=first, outputs=outputs)


def _layer(name: str, kind: str, **config: object) -> Layer:
    return Layer(name, kind, ("image",), Tensor(f"{name}:0", _IMAGE.shape), config)


@pytest.mark.parametrize("scale", [1 / 255, 1 / 127.5])
def test_a_model_that_scales_grey_levels_is_fed_grey_levels(scale: float) -> None:
    fed, note = expected_range(_graph(_layer("scaling", "Rescaling", scale=scale, offset=-1.0)))
    assert fed == GREY
    assert note is not None
    assert note.startswith("scaling rescales the model's input")
    assert "input_range says otherwise" in note


@pytest.mark.parametrize(
    "first",
    [
        (_layer("conv", "Conv2D"),),
        (_layer("scaling", "Rescaling", scale=2.0, offset=-1.0),),
        (_layer("scaling", "Rescaling", scale=1 / 255, offset=0.0), _layer("conv", "Conv2D")),
    ],
)
def test_any_other_model_is_fed_0_to_1(first: tuple[Layer, ...]) -> None:
    assert expected_range(_graph(*first)) == (UNIT, None)
