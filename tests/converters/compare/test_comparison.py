"""From scores to figures: means over patients, differences patient by patient."""

import math

import msgspec
import numpy as np
import pytest

from edgeseg_converters.compare.accuracy import PackedMask, PatientScore
from edgeseg_converters.compare.comparison import (
    Comparison,
    bundle_entry,
    differences,
    model_entry,
    region_figures,
)
from edgeseg_converters.compare.footprint import Footprint

NAN = float("nan")
MASK = PackedMask.of(np.zeros((2, 2), np.uint8))


def patient(name: str, kidney: float, tumor: float, false: int = 0) -> PatientScore:
    absent = {"kidney_and_mass": 0, "tumor": 2 if math.isnan(tumor) else 0}
    found = {"kidney_and_mass": 0, "tumor": false}
    return PatientScore(name, {"kidney_and_mass": kidney, "tumor": tumor}, absent, found, (MASK,))


MODEL = (patient("a", 0.9, 0.6), patient("b", 0.8, 0.7), patient("c", 0.7, NAN))
BUNDLE = (patient("a", 0.8, 0.6), patient("b", 0.8, 0.5), patient("c", 0.5, NAN, false=1))


def test_differences_are_paired_and_spread_over_patients() -> None:
    kidney, tumor = region_figures(BUNDLE, MODEL)
    assert kidney.dice == pytest.approx(0.7)
    assert kidney.difference == pytest.approx(-0.1)
    assert kidney.spread == pytest.approx(0.1)
    assert tumor.dice == pytest.approx(0.55)
    assert tumor.difference == pytest.approx(-0.1)
    assert tumor.spread == pytest.approx(0.2 / math.sqrt(2))


def test_a_patient_without_the_region_is_in_no_mean() -> None:
    _, tumor = region_figures(BUNDLE, MODEL)
    assert list(tumor.dice_of) == ["a", "b"]
    assert (tumor.absent_slices, tumor.false_slices, tumor.false_share) == (2, 1, 0.5)


def test_a_model_against_nothing_has_no_difference() -> None:
    kidney, _ = region_figures(MODEL)
    assert (kidney.difference, kidney.spread, kidney.false_share) == (None, None, None)


def test_one_patient_has_a_difference_without_spread() -> None:
    kidney, tumor = region_figures(BUNDLE[-1:], MODEL[-1:])
    assert kidney.difference == pytest.approx(-0.2)
    assert (kidney.spread, tumor.dice, tumor.difference) == (None, None, None)


def test_differences_are_bundle_minus_model() -> None:
    assert differences({"a": 0.5, "b": 1.0}, {"b": 0.5, "a": 1.0}) == [-0.5, 0.5]


def test_a_comparison_is_plain_json_and_shows_what_somebody_has() -> None:
    model = model_entry("m.keras", "x/m.keras", 10, MODEL[-1:])
    bundle = bundle_entry("b", "b.edgeseg", Footprint(5, 7, 2.5), BUNDLE[-1:], MODEL[-1:])
    made = Comparison(model, (bundle,), ("c",), 1, ())
    assert made.shown_regions == ("kidney_and_mass",)
    assert made.entries == (model, bundle)
    assert (bundle.bytes, bundle.peak_memory_bytes, bundle.ms_per_slice) == (5, 7, 2.5)
    assert bundle.mask_agreement == 1
    assert model.mask_agreement is None
    said = msgspec.json.decode(msgspec.json.encode(made))
    assert said["bundles"][0]["regions"][1]["dice"] is None
    assert "not a medical device" in said["research_note"]
