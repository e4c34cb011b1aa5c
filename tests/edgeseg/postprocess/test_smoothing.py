"""Probabilities are smoothed along the slices, in millimetres, before labels are decided."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from edgeseg.bundle.manifest import Label
from edgeseg.bundle.rules import LeastVolume, Smooth, describe
from edgeseg.errors import UsageError
from edgeseg.postprocess.apply import postprocess
from edgeseg.postprocess.rules_file import check_rules
from edgeseg.postprocess.smoothing import smoothed
from edgeseg.postprocess.voxel_size import VoxelSize

LABELS = (Label(1, "kidney", "#ff0000"),)


@given(st.integers(1, 40), st.floats(0.05, 8.0), st.integers(0, 2**32 - 1))
def test_it_is_a_gaussian_that_keeps_what_is_even(count: int, sigma: float, seed: int) -> None:
    """Beside SciPy's where no end is near; at the ends weights add up to one as well."""
    drawn = np.random.default_rng(seed).integers(0, 256, (count, 2, 3, 2), dtype=np.uint8)
    result = np.stack(list(smoothed(list(drawn), sigma)))
    assert result.dtype == np.uint8
    even = [np.full((2, 3, 2), 200, np.uint8)] * count
    assert all((plane == 200).all() for plane in smoothed(even, sigma))
    reach = int(np.ceil(3 * sigma))
    expected = gaussian_filter1d(drawn.astype(np.float64), sigma, axis=0, radius=reach)
    inner = slice(reach, count - reach)
    assert np.abs(result[inner] - expected[inner]).max(initial=0) <= 0.51


@pytest.mark.parametrize("sigma", [1e3, 1e12, np.inf])
def test_a_gaussian_far_wider_than_the_scan_is_its_mean(sigma: float) -> None:
    """As where a header states slices of a nanometre; weights are no more than the slices."""
    planes = [np.full((2, 2, 1), value, np.uint8) for value in (0, 30, 210)]
    assert [int(plane.max()) for plane in smoothed(planes, sigma)] == [80, 80, 80]


def _decoded(sigma: float, planes: list[np.ndarray]) -> list[np.ndarray]:
    return [np.asarray(plane[..., 0] >= 128, np.uint8) for plane in smoothed(planes, sigma)]


def test_a_gap_closes_and_a_speck_goes_in_millimetres() -> None:
    """One slice of 1 mm lost, one found; slices of 10 mm keep both."""
    planes = [np.full((4, 4, 1), 255 * (2 <= index < 8), np.uint8) for index in range(14)]
    planes[5][:], planes[11][:] = 0, 255
    masks = [np.asarray(plane[..., 0] >= 128, np.uint8) for plane in planes]
    for slice_mm, found in ((1.0, [2, 3, 4, 5, 6, 7]), (10.0, [2, 3, 4, 6, 7, 11])):
        result, report = postprocess(
            masks,
            [Smooth(1.0)],
            LABELS,
            VoxelSize(slice_mm, 1.0, 1.0),
            str,
            lambda sigma: _decoded(sigma, planes),
        )
        assert [index for index, mask in enumerate(result) if mask.any()] == found
        (outcome,) = report.rules
        changed_ml = 16 * slice_mm / 1000 * (slice_mm < 10)
        assert (outcome.removed_ml, outcome.added_ml) == pytest.approx((changed_ml,) * 2)


def test_without_probabilities_it_is_left_out_and_said() -> None:
    masks = [np.ones((2, 2), np.uint8)] * 3
    result, report = postprocess(masks, [Smooth(2.0)], LABELS, VoxelSize(1, 1, 1), str)
    assert result == masks
    assert "masks alone" in str(report.rules[0].skipped)
    assert report.remarks


def test_it_is_the_first_rule_or_none() -> None:
    rules = (Smooth(2.0), LeastVolume(("kidney",), 1.0))
    assert check_rules(rules, LABELS, "x.toml") == rules
    assert describe(rules[0]) == "smooth (sigma_mm 2)"
    with pytest.raises(UsageError, match=r"x\.toml smooths .* first rule"):
        check_rules(rules[::-1], LABELS, "x.toml")
    with pytest.raises(UsageError, match="first rule"):
        check_rules((Smooth(2.0), Smooth(1.0)), LABELS, "x.toml")
