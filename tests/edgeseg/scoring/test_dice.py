"""Dice and surface Dice as the KiTS challenge counts them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.scoring.dice import (
    KITS_REGIONS,
    KITS_TOLERANCES_MM,
    dice,
    region_dice,
    region_surface_dice,
)

_BITS = st.lists(st.booleans(), min_size=8, max_size=8).map(lambda bits: np.array(bits, np.bool_))


def test_known_values() -> None:
    """Two pixels against two with one in common: one half."""
    truth = np.array([1, 1, 0, 0], np.bool_)
    assert dice(truth, np.array([0, 1, 1, 0], np.bool_)) == 0.5
    assert dice(truth, truth) == 1.0
    assert dice(truth, ~truth) == 0.0


def test_empty_masks() -> None:
    """Both empty agree, one empty does not."""
    empty, full = np.zeros(3, np.bool_), np.ones(3, np.bool_)
    assert dice(empty, empty) == 1.0
    assert dice(empty, full) == dice(full, empty) == 0.0


@given(_BITS, _BITS)
def test_symmetric_and_bounded(one: np.ndarray, other: np.ndarray) -> None:
    """Who is the truth does not matter; equality alone gives one."""
    value = dice(one, other)
    assert value == dice(other, one)
    assert 0 <= value <= 1
    assert (value == 1) == np.array_equal(one, other)


def test_regions_are_nested() -> None:
    """A tumour called cyst is still mass, and still within the kidney and its masses."""
    truth = np.array([0, 1, 2, 2, 3], np.uint8)
    prediction = np.array([0, 1, 2, 3, 3], np.uint8)
    assert region_dice(truth, prediction) == {
        "kidney_and_mass": 1.0,
        "mass": 1.0,
        "tumor": pytest.approx(2 / 3),
    }
    assert region_dice(truth, prediction, {"kidney": (1,)}) == {"kidney": 1.0}


def test_shapes_must_agree() -> None:
    """Broadcasting would compare what does not belong together."""
    with pytest.raises(ValueError, match="can't be compared"):
        dice(np.zeros((2, 2), np.bool_), np.zeros((1, 2), np.bool_))


def test_surface_dice_of_regions_has_the_tolerance_of_each() -> None:
    """A shift of 1.1 mm is too far for the kidney with its masses, and near for masses alone."""
    truth = np.zeros((9, 9, 9), np.uint8)
    truth[2:6, 2:6, 2:6] = 2
    values = region_surface_dice(truth, np.roll(truth, 1, axis=0), (1.1, 1.0, 1.0))
    assert values["kidney_and_mass"] < 1
    assert values["mass"] == values["tumor"] == 1


def test_surface_dice_of_an_absent_region() -> None:
    """Nothing found where nothing is, is right; something is wrong."""
    truth, prediction = np.ones((3, 3, 3), np.uint8), np.ones((3, 3, 3), np.uint8)
    spacing = (1.0, 1.0, 1.0)
    assert region_surface_dice(truth, prediction, spacing)["tumor"] == 1
    prediction[1, 1, 1] = 2
    assert region_surface_dice(truth, prediction, spacing) == {
        "kidney_and_mass": 1,
        "mass": 0,
        "tumor": 0,
    }


def test_the_published_tolerances() -> None:
    """As the KiTS challenge sets them, for the same regions."""
    assert list(KITS_TOLERANCES_MM) == list(KITS_REGIONS)
    assert list(KITS_TOLERANCES_MM.values()) == [
        1.0330772532390826,
        1.1328796488598762,
        1.1498198361434828,
    ]
