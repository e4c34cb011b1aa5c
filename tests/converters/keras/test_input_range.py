"""What a model reads is told by its first layers, or else from 0 to 1, or asked for."""

import itertools

import numpy as np
import pytest

from edgeseg.bundle.manifest import Interval
from edgeseg.errors import UsageError
from edgeseg.network.graph import Graph, Layer, Tensor
from edgeseg_converters.keras.input_range import GREY, UNIT, expected_range
from edgeseg_converters.network import Network, Weights

_SHAPE = (1, 8, 8, 1)
_IMAGE = Tensor("image", _SHAPE)
_SOFT_TISSUE = (-160.0, 240.0)


def _network(*layers: Layer, weights: Weights | None = None) -> Network:
    graph = Graph(name="m", inputs=(_IMAGE,), layers=layers, outputs=(layers[-1].name,))
    return Network(graph, weights or {})


def _layer(name: str, kind: str, reads: str = "image", **config: object) -> Layer:
    return Layer(name, kind, (reads,), Tensor(name, _SHAPE), config)


def _scaling(scale: object, offset: object, name: str = "scaling", reads: str = "image") -> Layer:
    return _layer(name, "Rescaling", reads, scale=scale, offset=offset)


def _statistics(mean: float, deviation: float) -> Network:
    """A leading batch normalization, or arithmetic, that has seen such an input."""
    layer = _layer("norm", "BatchNormalization", epsilon=1e-3)
    one = np.ones(1, np.float32)
    return _network(layer, weights={"norm": (one, one, mean * one, deviation**2 * one)})


def _fed(network: Network, window: Interval = GREY) -> Interval:
    return expected_range(network, window)[0]


@pytest.mark.parametrize(
    ("scale", "offset"),
    [(1 / 255, 0.0), (1 / 256, 0.0), (1 / 127.5, -1.0), (1 / 128, -1.0), (1 / 127.5, 0.0)],
)
@pytest.mark.parametrize("window", [GREY, _SOFT_TISSUE])
def test_a_model_that_scales_grey_levels_is_fed_grey_levels(
    scale: float, offset: float, window: Interval
) -> None:
    fed, note = expected_range(_network(_scaling(scale, offset)), window)
    assert fed == GREY
    assert note is not None
    assert note.startswith("scaling rescales the model's input, which is taken for grey levels")
    assert "input_range says otherwise" in note


@pytest.mark.parametrize(
    "network",
    [
        _network(_layer("conv", "Conv2D")),
        _network(_scaling(2.0, -1.0)),
        _network(_scaling(1.0, 0.0)),
        _network(_scaling(1 / 255, 0.0), _layer("conv", "Conv2D")),
        _network(_scaling([1 / 0.229, 1 / 0.224], [-0.485 / 0.229, -0.456 / 0.224])),
        _statistics(0.3, 0.2),
        _statistics(0.0, 1.0),
    ],
)
def test_any_other_model_is_fed_0_to_1(network: Network) -> None:
    assert expected_range(network, _SOFT_TISSUE) == (UNIT, None)


@pytest.mark.parametrize(
    "network",
    [
        _network(_scaling(1 / 1000, 0.0)),
        _network(_scaling(1 / 400, 0.4)),
        _network(_scaling(1.0, 1000.0), _scaling(1 / 2000, 0.0, "second", "scaling")),
        _statistics(-600.0, 420.0),
        _statistics(-20.0, 80.0),
    ],
)
def test_a_model_that_scales_hu_is_fed_hu(network: Network) -> None:
    fed, note = expected_range(network, (-1000.0, 1000.0))
    assert fed == (-1000.0, 1000.0)
    assert "taken for HU: it is fed -1000 to 1000" in (note or "")
    with pytest.raises(UsageError, match="as of HU beyond 0 to 255; give window with the HU"):
        expected_range(network, GREY)


@pytest.mark.parametrize(
    "network",
    [
        _statistics(101.0, 76.9),
        _network(_scaling(1 / 58.4, -123.7 / 58.4)),
        _network(_scaling([1 / 58.4, 1 / 57.1], [-123.7 / 58.4, -116.3 / 57.1])),
        _network(_scaling(1.0, -101.0), _scaling(1 / 76.9, 0.0, "second", "scaling")),
    ],
)
def test_what_may_be_grey_levels_or_hu_is_asked_for_where_they_differ(network: Network) -> None:
    with pytest.raises(
        UsageError, match="give input_range 0,255 for grey levels, or -160,240 for HU"
    ):
        expected_range(network, _SOFT_TISSUE)
    assert _fed(network) == GREY  # these are HU, too


def test_an_image_that_is_joined_with_itself_again_and_again_is_followed_once_a_layer() -> None:
    names = ["image", *(f"joined{level}" for level in range(100))]
    joined = [
        Layer(f"{name}{side}", "Cropping2D", (before,), Tensor(f"{name}{side}", _SHAPE))
        if side
        else Layer(name, "Concatenate", (f"{name}a", f"{name}b"), Tensor(name, _SHAPE))
        for before, name in itertools.pairwise(names)
        for side in ("a", "b", "")
    ]
    assert _fed(_network(*joined, _scaling(1 / 255, 0.0, reads=names[-1]))) == GREY


def test_the_image_is_followed_through_layers_that_only_move_it() -> None:
    padding = _layer("padding", "ZeroPadding2D")
    joined = Layer("joined", "Concatenate", ("padding", "padding"), Tensor("joined", (1, 8, 8, 2)))
    assert _fed(_network(padding, joined, _scaling(1 / 255, 0.0, reads="joined"))) == GREY
    assert _fed(_network(padding, joined, _layer("conv", "Conv2D", "joined"))) == UNIT
    clipped = _layer("clipped", "Operator", function="clip")
    assert _fed(_network(clipped, _scaling(1 / 255, 0.0, reads="clipped"))) == GREY
    reversed_channels = _layer("sliced", "Operator", function="slice")
    caffe = _scaling([1.0, 1.0, 1.0], [-103.9, -116.8, -123.7], reads="sliced")
    assert _fed(_network(reversed_channels, caffe)) == GREY
    with pytest.raises(UsageError, match="grey levels or HU"):
        _fed(_network(reversed_channels, caffe), _SOFT_TISSUE)
