"""What a model's input is fed with is stated, read off the model, or asked for."""

import re
from typing import Any

import msgspec
import pytest

from edgeseg.errors import UsageError
from edgeseg.network.graph import Graph, Layer, Tensor
from edgeseg_converters.network import Network
from edgeseg_converters.options import ConversionOptions


def _network(channels: int, **first: object) -> Network:
    image = Tensor("image", (1, 8, 8, channels))
    kind = "Rescaling" if first else "Conv2D"
    layer = Layer("first", kind, ("image",), Tensor("first", image.shape), dict(first))
    graph = Graph(name="model", inputs=(image,), layers=(layer,), outputs=("first",))
    return Network(graph, {})


def _fed(channels: int, /, **fields: Any) -> Any:
    how, _ = ConversionOptions(**fields).model_input.preprocessing(_network(channels))
    return how


def test_several_channels_are_asked_for() -> None:
    with pytest.raises(UsageError) as refused:
        _fed(3)
    assert str(refused.value) == (
        "the model reads 3 channels; give channels repeat for the same slice in each, slices 3 "
        "for neighbouring slices, from feet to head, or "
        'window "LO,HI;LO,HI;LO,HI" for a window each'
    )
    with pytest.raises(UsageError, match="4 channels; give channels repeat") as refused:
        _fed(4)
    assert "neighbouring" not in str(refused.value)


def test_what_channels_are_is_recorded() -> None:
    assert _fed(1) == _fed(1, input_range=(0.0, 1.0))
    repeated = _fed(3, channels="repeat")
    assert (repeated.channels, repeated.slices, repeated.windows) == (
        3,
        msgspec.UNSET,
        msgspec.UNSET,
    )
    stack = _fed(5, slices=5)
    assert (stack.slices, stack.planes, stack.channels) == (5, 5, 5)
    windows = _fed(2, window="-160,240;0,500")
    assert windows.window == (-160.0, 500.0)
    assert windows.windows == ((-160.0, 240.0), (0.0, 500.0))


@pytest.mark.parametrize(
    ("fields", "level_type"),
    [
        ({}, "uint8"),
        ({"window": (-100.0, 155.0)}, "uint8"),
        ({"window": (-1000.0, 1000.0)}, "uint16"),
        ({"window": (0.0, 200.0)}, "uint16"),
        ({"normalize": "101,76.9"}, "uint16"),
        ({"channels": "repeat", "input_range": "-1,1"}, "uint8"),
        ({"slices": 3}, "uint8"),
        ({"slices": 3, "window": "-200,300"}, "uint16"),
        ({"window": "0,255;0,255;0,255"}, "uint16"),
    ],
)
def test_hu_take_16_bits_where_8_do_not_hold_them(fields: dict[str, Any], level_type: str) -> None:
    channels = 1 if fields.keys() <= {"normalize", "window"} and ";" not in str(fields) else 3
    assert _fed(channels, **fields).level_type == level_type


def test_a_z_score_takes_the_place_of_what_the_first_layer_tells() -> None:
    network = _network(1, scale=1 / 255, offset=0.0)
    how, note = ConversionOptions().model_input.preprocessing(network)
    assert how.input_range == (0.0, 255.0)
    assert "grey levels" in (note or "")
    for stated in ({"normalize": (101.0, 76.9)}, {"input_range": (0.0, 1.0)}):
        how, note = ConversionOptions(**stated).model_input.preprocessing(network)
        assert note is None
        assert how.input_range == (0.0, 1.0)


def test_hu_of_several_windows_are_fed_as_they_are() -> None:
    network = _network(2, scale=1 / 1000, offset=0.0)
    options = ConversionOptions(window="-160,240;-1000,500")  # type: ignore[arg-type]
    how, note = options.model_input.preprocessing(network)
    assert how.normalize == ((0.0, 1.0),)
    assert "taken for HU" in (note or "")
    one = ConversionOptions(window=(-1000.0, 500.0), channels="repeat")
    how, _ = one.model_input.preprocessing(network)
    assert (how.input_range, how.normalize) == ((-1000.0, 500.0), msgspec.UNSET)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"normalize": "1,2", "input_range": "0,1"}, "normalize and input_range both say what"),
        ({"slices": 3, "channels": "repeat"}, "channels and slices both say what the channels"),
        ({"slices": 3, "window": "0,1;0,2;0,3"}, "slices and window both say"),
        ({"slices": 4}, "slices is 4; give an odd number from 3 on"),
        ({"slices": 1}, "slices is 1; give an odd number from 3 on"),
        ({"normalize": "5,0"}, "normalize is 5,0; give a mean and a standard deviation above 0"),
        ({"normalize": "5"}, "normalize '5' is no mean and deviation"),
        ({"window": "0,1;5,1"}, "window is 5,1; give two HU, the lower one first"),
        ({"window": "0,1;5"}, "window '0,1;5' is no pair of HU"),
        ({"channels": "rgb"}, "channels is 'rgb'; choose one of repeat"),
    ],
)
def test_contradictions_are_one_line_whatever_the_model(
    fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(complaint)):
        ConversionOptions(**fields)


@pytest.mark.parametrize(
    ("channels", "fields", "complaint"),
    [
        (1, {"slices": 3}, "slices says what several channels are, and the model reads one"),
        (1, {"channels": "repeat"}, "channels says what several channels are"),
        (1, {"window": "0,1;0,2"}, "leave it out, or give one window"),
        (3, {"slices": 5}, "slices is for 5 channels, and the model reads 3; give channels"),
        (3, {"window": "0,1;0,2"}, "window is for 2 channels, and the model reads 3"),
        (1, {"normalize": "0,1;0,2"}, "normalize is for 2 channels, and the model reads 1"),
    ],
)
def test_options_that_do_not_fit_the_model_are_refused(
    channels: int, fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        _fed(channels, **fields)
