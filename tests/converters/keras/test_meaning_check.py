"""A guess at the background is held against what the model finds in air and on slices."""

from collections.abc import Sequence

import numpy as np
import pytest

from edgeseg.bundle.manifest import Decoding
from edgeseg.errors import UsageError
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.meaning_check import Views, check_logits, check_meaning
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network

pytestmark = pytest.mark.tensorflow

BRIGHT, DARK, NEITHER = (60.0, -42.0), (-60.0, 12.0), (0.0, 0.0)
"""Slope and offset of a channel's logit: above 0.7, below 0.2, and the rest of grey."""


def views(*levels: float, are_real: bool = False) -> Views:
    """Slices of one grey level each beside air; noise over all of them if none is given."""
    generator = np.random.default_rng(0)
    slices = [np.full((1, 8, 8, 1), level, np.float32) for level in levels]
    noise = generator.uniform(size=(1, 8, 8, 1)).astype(np.float32)
    return Views(np.zeros((1, 8, 8, 1), np.float32), slices or [noise], are_real)


def checked(
    activation: str,
    lines: Sequence[tuple[float, float]],
    decoding: Decoding,
    seen: Views | None = None,
    *,
    stated: bool = False,
) -> tuple[str, ...]:
    keras = import_keras()
    image = keras.Input((8, 8, 1), name="image")
    layer = keras.layers.Conv2D(len(lines), 1, activation=activation, name="head")
    model = keras.Model(image, layer(image))
    slopes, offsets = zip(*lines, strict=True)
    layer.set_weights([np.reshape(slopes, (1, 1, 1, -1)), np.array(offsets)])
    return check_meaning(read_network(model), decoding, seen or views(), stated=stated)


def softmax(*channels: int) -> Decoding:
    return Decoding("softmax", channels)


def test_a_background_that_wins_in_air_and_on_slices_is_fine() -> None:
    lines = [(-60.0, 42.0), BRIGHT]
    assert checked("softmax", lines, softmax(0, 1), views(0.1, 0.9, 0.3, are_real=True)) == ()


@pytest.mark.parametrize("background", [1, 2])
def test_a_softmax_that_finds_the_first_label_in_air_is_asked_about(background: int) -> None:
    lines = [BRIGHT, (-60.0, 12.0), NEITHER] if background == 2 else [BRIGHT, (-9.0, 5.0)]
    with pytest.raises(UsageError, match=r"air the model finds channel 1 .*background N, 0 to"):
        checked("softmax", lines, softmax(*range(len(lines))))


def test_what_is_stated_is_taken_and_a_doubt_said() -> None:
    (note,) = checked("softmax", [BRIGHT, DARK, NEITHER], softmax(1, 2, 0), stated=True)
    assert "channel 2 is taken for the background" in note
    assert "finds channel 1" in note


def test_a_dark_label_in_the_first_channel_is_seen_on_slices() -> None:
    lines = [DARK, BRIGHT, NEITHER]
    (note,) = checked("softmax", lines, softmax(0, 1, 2), views(0.1, 0.5, 0.6))
    assert "on noise the model finds channel 2 in 67%" in note
    with pytest.raises(UsageError, match=r"on the calibration slices .* channel 2 in 67%"):
        checked("softmax", lines, softmax(0, 1, 2), views(0.1, 0.5, 0.6, are_real=True))


def test_weights_that_were_never_trained_raise_no_question() -> None:
    assert checked("softmax", [NEITHER, NEITHER], softmax(0, 1)) == ()
    assert checked("sigmoid", [NEITHER, NEITHER], Decoding("sigmoid", (1, 2))) == ()
    (note,) = checked("softmax", [NEITHER, (0.0, 1.0)], softmax(0, 1))
    assert "finds channel 1 (0.73 to 0.27)" in note


def test_a_sigmoid_that_is_the_complement_of_the_others_is_asked_about() -> None:
    lines, how = [(-60.0, 42.0), BRIGHT], Decoding("sigmoid", (1, 2))
    with pytest.raises(UsageError, match=r"channel 0, label 1, all over a slice of air .*none if"):
        checked("sigmoid", lines, how)
    assert len(checked("sigmoid", lines, how, stated=True)) == 1


def test_a_sigmoid_that_finds_air_beside_a_rest_is_a_label_and_said() -> None:
    lines, how = [BRIGHT, DARK, (0.0, -9.0)], Decoding("sigmoid", (1, 2, 3))
    (note,) = checked("sigmoid", lines, how)
    assert "channel 1, label 2, all over a slice of air" in note


def test_a_single_sigmoid_that_finds_air_is_said() -> None:
    (note,) = checked("sigmoid", [(-60.0, 42.0)], Decoding("sigmoid", (1,)))
    assert "look at window and input_range" in note


def test_without_a_background_nothing_is_expected_of_air() -> None:
    assert checked("softmax", [BRIGHT, DARK], softmax(1, 2)) == ()


def linear(slope: float, offset: float) -> Network:
    keras = import_keras()
    image = keras.Input((8, 8, 1), name="image")
    layer = keras.layers.Conv2D(1, 1, name="head")
    model = keras.Model(image, layer(image))
    layer.set_weights([np.reshape(slope, (1, 1, 1, 1)), np.array([offset])])
    return read_network(model)


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (-0.5, 0.9), (0.1, 0.01)])
def test_values_of_probabilities_are_not_taken_for_logits(slope: float, offset: float) -> None:
    with pytest.raises(UsageError, match=r"\(head\), and its output is from .* activation none"):
        check_logits(linear(slope, offset), views())


@pytest.mark.parametrize(
    ("slope", "offset"), [(2.0, 0.0), (1.0, -0.1), (0.0, 0.0), (0.0, 0.5), (0.1, 0.0)]
)
def test_other_values_are_logits(slope: float, offset: float) -> None:
    check_logits(linear(slope, offset), views())


def test_a_label_that_half_of_a_sigmoid_finds_in_air_is_said() -> None:
    (note,) = checked("sigmoid", [NEITHER], Decoding("sigmoid", (1,)))
    assert "all over a slice of air (0.50)" in note
