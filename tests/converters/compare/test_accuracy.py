"""Scores of a network whose masks are known: its probabilities are the image itself."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Decoding, Preprocessing
from edgeseg.imaging.levels import Grey
from edgeseg.imaging.slices import Mask, SliceGeometry
from edgeseg.labelled import LabelledSlice
from edgeseg.scoring.dice import region_dice
from edgeseg_converters.compare.accuracy import (
    SPECK,
    PackedMask,
    SliceSegmenter,
    agreement,
    regions_of,
    score,
)

SIDE = 8
NESTED = Decoding("sigmoid", (1, 3, 2))
LEVELS = (0.9, 0.6, 0.3)
"""What the image must exceed for the three nested channels, innermost first."""


def blank() -> Mask:
    return np.zeros((SIDE, SIDE), np.uint8)


def square(value: int, side: int, mask: Mask | None = None) -> Mask:
    painted = blank() if mask is None else mask.copy()
    painted[:side, :side] = value
    return painted


def echo(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Kidney where the image is above 0.3, cyst above 0.6, tumor above 0.9."""
    planes = [(image[..., 0] > level).astype(np.float32) for level in reversed(LEVELS)]
    return np.stack(planes, axis=-1)


def image_of(mask: Mask) -> Grey:
    """Make the image that :func:`echo` turns into the mask."""
    return np.array([0, 100, 255, 180], np.uint8)[mask]


def labelled(patient: str, truth: Mask, found: Mask, name: str = "a") -> LabelledSlice:
    geometry = SliceGeometry(*truth.shape)
    return LabelledSlice(patient, "made", name, geometry, True, lambda: (image_of(found), truth))


def echoing(decoding: Decoding = NESTED, side: int = SIDE) -> SliceSegmenter:
    return SliceSegmenter(echo, Preprocessing((0.0, 255.0), (side, side)), decoding)


def test_a_network_that_finds_the_truth_scores_one() -> None:
    truth = square(2, 2, square(3, 4, square(1, 6)))
    (scored,) = score(echoing(), [labelled("p", truth, truth)])
    assert scored.dice == {"kidney_and_mass": 1, "mass": 1, "tumor": 1}
    np.testing.assert_array_equal(scored.masks[0].unpack(), truth)


def test_all_slices_of_a_patient_count_together() -> None:
    """Not the mean of 1 and 0.5: the larger slice weighs more."""
    slices = [
        labelled("p", square(1, 2), square(1, 2)),
        labelled("p", square(1, 6), square(1, 4), "b"),
    ]
    (scored,) = score(echoing(), slices)
    assert scored.dice["kidney_and_mass"] == pytest.approx(2 * (4 + 16) / (4 + 36 + 4 + 16))


def test_a_region_that_a_patient_lacks_has_no_dice_but_false_findings() -> None:
    slices = [
        labelled("p", square(1, 6), square(2, 5)),
        labelled("p", square(1, 6), square(2, 4), "b"),
        labelled("p", square(1, 6), square(1, 6), "c"),
    ]
    assert 16 < SPECK < 25
    (scored,) = score(echoing(), slices)
    assert math.isnan(scored.dice["tumor"])
    assert (scored.absent["tumor"], scored.false["tumor"]) == (3, 1)
    assert (scored.absent["kidney_and_mass"], scored.false["kidney_and_mass"]) == (0, 0)


def test_patients_are_scored_apart_and_every_slice_is_counted() -> None:
    steps: list[None] = []
    slices = [labelled(name, square(1, 4), square(1, 4)) for name in ("a", "b", "a")]
    scores = score(echoing(), slices, lambda: steps.append(None))
    assert [(one.patient, len(one.masks)) for one in scores] == [("a", 2), ("b", 1)]
    assert len(steps) == 3


def test_neighbours_are_the_patients_slices_before_and_behind() -> None:
    """The last of three channels is the next slice of the same patient, or the last one again."""
    how = Preprocessing((0.0, 255.0), (SIDE, SIDE), channels=3, slices=3)
    segmenter = SliceSegmenter(lambda stack: echo(stack[..., 2:]), how, NESTED)
    shown = {name: square(1, side) for name, side in (("a", 3), ("b", 5), ("c", 7))}
    slices = [labelled("p", shown[name], shown[name], name) for name in shown]
    slices.insert(1, labelled("q", square(1, 2), square(1, 2)))
    scored, other = score(segmenter, slices)
    for mask, name in zip(scored.masks, "bcc", strict=True):
        np.testing.assert_array_equal(mask.unpack(), shown[name])
    np.testing.assert_array_equal(other.masks[0].unpack(), square(1, 2))
    alone = segmenter.mask(image_of(shown["b"]), SliceGeometry(SIDE, SIDE), windowed=True)
    np.testing.assert_array_equal(alone, shown["b"])


def test_masks_have_the_size_of_the_slice_not_of_the_network() -> None:
    truth = square(1, 8, np.zeros((16, 16), np.uint8))
    (scored,) = score(echoing(), [labelled("p", truth, truth)])
    assert scored.masks[0].unpack().shape == (16, 16)
    assert scored.dice["kidney_and_mass"] > 0.9


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_dice_of_one_slice_is_that_of_the_metric(seed: int) -> None:
    generator = np.random.default_rng(seed)
    truth, found = generator.integers(0, 4, (2, SIDE, SIDE), dtype=np.uint8)
    truth[0, 0] = 2
    (scored,) = score(echoing(), [labelled("p", truth, found)])
    assert scored.dice == pytest.approx(region_dice(truth, found))


def test_agreement_counts_pixels_over_all_slices() -> None:
    truth = square(1, 4)
    one = score(echoing(), [labelled("p", truth, square(1, 4)), labelled("p", truth, blank(), "b")])
    same = score(echoing(), [labelled("p", truth, found) for found in (square(1, 4), square(1, 4))])
    assert agreement(one, one) == 1
    assert agreement(one, same) == pytest.approx(1 - 16 / (2 * SIDE * SIDE))


@pytest.mark.parametrize(
    ("channels", "regions"),
    [
        ((1, 3, 2), ["kidney_and_mass", "mass", "tumor"]),
        ((1, 2), ["kidney_and_mass", "mass", "tumor"]),
        ((1, 3), ["kidney_and_mass", "mass"]),
        ((1,), ["kidney_and_mass"]),
    ],
)
def test_regions_are_those_that_the_outputs_can_paint(
    channels: tuple[int, ...], regions: list[str]
) -> None:
    assert list(regions_of(Decoding("sigmoid", channels))) == regions
    assert list(regions_of(Decoding("softmax", (0, *channels)))) == regions


@pytest.mark.parametrize("make", [blank, lambda: square(2, 5)])
def test_a_packed_mask_comes_back(make: Callable[[], Mask]) -> None:
    np.testing.assert_array_equal(PackedMask.of(make()).unpack(), make())
