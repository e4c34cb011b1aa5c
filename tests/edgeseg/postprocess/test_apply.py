"""Each rule on drawn masks, in millimetres whatever the spacing; what it changed is said."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Label
from edgeseg.bundle.rules import Bridge, FillHoles, JoinedTo, KeepLargest, LeastVolume, Rule
from edgeseg.postprocess.apply import postprocess
from edgeseg.postprocess.report import PostprocessReport
from edgeseg.postprocess.rules_file import read_rules
from edgeseg.postprocess.voxel_size import VoxelSize

KIDNEY, TUMOR, CYST = 1, 2, 3
LABELS = (
    Label(KIDNEY, "kidney", "#ff0000"),
    Label(TUMOR, "tumor", "#00ff00"),
    Label(CYST, "cyst", "#0000ff"),
)
CUBE = VoxelSize(10.0, 10.0, 10.0)
"""A voxel is one millilitre."""


def applied(
    volume: NDArray[np.uint8], *rules: Rule, voxel: VoxelSize | None = CUBE
) -> tuple[NDArray[np.uint8], PostprocessReport]:
    masks, report = postprocess(list(volume), rules, LABELS, voxel, "slice {}".format)
    return np.stack(masks), report


def drawn(*boxes: tuple[int, tuple[slice, slice, slice]]) -> NDArray[np.uint8]:
    volume = np.zeros((12, 30, 30), np.uint8)
    for value, box in boxes:
        volume[box] = value
    return volume


LEFT = (KIDNEY, np.s_[2:8, 5:10, 3:8])
RIGHT = (KIDNEY, np.s_[2:8, 5:10, 20:24])
PELVIC = (KIDNEY, np.s_[9:12, 20:24, 12:16])
ON_LEFT = (TUMOR, np.s_[4:6, 10:12, 4:6])
BLADDER = (TUMOR, np.s_[9:12, 20:28, 10:18])


def test_the_largest_bodies_stay_with_what_grows_on_them() -> None:
    rule = KeepLargest(("kidney", "tumor"), 2, ("kidney",))
    result, report = applied(drawn(LEFT, RIGHT, ON_LEFT, BLADDER), rule)
    assert np.array_equal(result, drawn(LEFT, RIGHT, ON_LEFT))
    (outcome,) = report.rules
    assert outcome.removed_ml == pytest.approx(3 * 8 * 8)
    assert (outcome.bodies, outcome.removed_bodies) == (3, 1)
    assert outcome.largest_removed is not None
    assert (outcome.largest_removed.first_slice, outcome.largest_removed.last_slice) == (
        "slice 9",
        "slice 11",
    )


@pytest.mark.parametrize("kidney", [LEFT, PELVIC])
def test_a_lone_kidney_stays_wherever_it_lies(kidney: tuple[int, tuple[slice, ...]]) -> None:
    only = drawn(kidney)  # type: ignore[arg-type]
    result, report = applied(only, *read_rules("kidney", LABELS))
    assert np.array_equal(result, only)
    assert report.remarks == ()


def test_a_third_kidney_does_not_vanish_silently() -> None:
    result, report = applied(drawn(LEFT, RIGHT, PELVIC), *read_rules("kidney", LABELS))
    assert np.array_equal(result, drawn(LEFT, RIGHT))
    (remark,) = report.remarks
    assert "removed a body of 48 mL, slice 9 to slice 11" in remark
    assert "postprocess none" in remark


def test_a_kidney_that_a_tumour_parts_stays_whole() -> None:
    """Its two pieces of parenchyma are one body with the tumour between them."""
    parted = drawn(
        (KIDNEY, np.s_[2:5, 5:10, 3:8]),
        (TUMOR, np.s_[5:8, 5:10, 3:8]),
        (KIDNEY, np.s_[8:10, 5:10, 3:8]),
        RIGHT,
    )
    result, _ = applied(parted, *read_rules("kidney", LABELS))
    assert np.array_equal(result, parted)


def test_bodies_far_smaller_than_the_largest_may_go() -> None:
    speck = (KIDNEY, np.s_[0:1, 0:1, 0:1])
    rule = KeepLargest(("kidney",), 3, least_share=0.05)
    assert np.array_equal(applied(drawn(LEFT, RIGHT, speck), rule)[0], drawn(LEFT, RIGHT))


def test_least_volume_is_in_millilitres() -> None:
    volume = drawn((TUMOR, np.s_[0:1, 0:1, 0:2]), (TUMOR, np.s_[4:5, 4:5, 4:5]))
    rule = LeastVolume(("tumor",), 2.0)
    assert np.count_nonzero(applied(volume, rule)[0]) == 2
    assert np.count_nonzero(applied(volume, rule, voxel=VoxelSize(20, 10, 10))[0]) == 3
    assert np.count_nonzero(applied(volume, rule, voxel=VoxelSize(5, 10, 10))[0]) == 0


@pytest.mark.parametrize(
    ("slice_mm", "row_mm", "col_mm"), [(1, 1, 1), (5, 0.5, 0.5), (2, 1.5, 0.75), (0.5, 2, 3)]
)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_joined_to_measures_millimetres(
    slice_mm: float, row_mm: float, col_mm: float, axis: int
) -> None:
    """A tumour at a known distance from a kidney along one axis."""
    voxel = VoxelSize(slice_mm, row_mm, col_mm)
    step_mm = (slice_mm, row_mm, col_mm)[axis]
    for steps in range(1, 8):
        volume = np.zeros((20, 20, 20), np.uint8)
        volume[10, 10, 10] = KIDNEY
        place = [10, 10, 10]
        place[axis] += steps
        volume[tuple(place)] = TUMOR
        for within_mm in (0.0, 3.0, 6.0):
            rule = JoinedTo(("tumor",), ("kidney",), within_mm)
            stays = bool((applied(volume, rule, voxel=voxel)[0] == TUMOR).any())
            assert stays == (steps == 1 or steps * step_mm <= within_mm), (steps, within_mm)


def test_joined_to_measures_diagonally() -> None:
    volume = np.zeros((20, 20, 20), np.uint8)
    volume[10, 10, 10], volume[12, 13, 14] = KIDNEY, TUMOR  # 2, 3 and 4 mm away: 5.39 mm
    ones = VoxelSize(1, 1, 1)
    near, far = JoinedTo(("tumor",), ("kidney",), 5.4), JoinedTo(("tumor",), ("kidney",), 5.3)
    assert (applied(volume, near, voxel=ones)[0] == TUMOR).any()
    assert not (applied(volume, far, voxel=ones)[0] == TUMOR).any()


def test_gaps_are_bridged_up_to_so_many_millimetres() -> None:
    whole = drawn(LEFT)
    torn = whole.copy()
    torn[4:6] = 0
    assert np.array_equal(applied(torn, Bridge(("kidney",), 20.0))[0], whole)
    assert np.array_equal(applied(torn, Bridge(("kidney",), 19.0))[0], torn)
    assert applied(torn, Bridge(("kidney",), 20.0))[1].rules[0].added_ml == pytest.approx(50)


def test_a_bridge_paints_over_no_other_label() -> None:
    torn = drawn(LEFT)
    torn[4] = 0
    torn[4, 6, 4] = CYST
    result, _ = applied(torn, Bridge(("kidney",), 10.0))
    assert result[4, 6, 4] == CYST
    assert np.count_nonzero(result[4] == KIDNEY) == 24


def test_holes_are_filled_up_to_an_area() -> None:
    holed = drawn(LEFT)
    holed[3, 7, 5:7] = 0
    assert np.array_equal(applied(holed, FillHoles(("kidney",), 200.0))[0], drawn(LEFT))
    assert np.array_equal(applied(holed, FillHoles(("kidney",), 199.0))[0], holed)


def test_other_labels_in_a_hole_stay() -> None:
    holed = drawn(LEFT)
    holed[3, 7, 5] = CYST
    assert np.array_equal(applied(holed, FillHoles(("kidney",), 500.0))[0], holed)


@pytest.mark.parametrize("value", [0, KIDNEY])
def test_masks_that_are_empty_or_full_stay(value: int) -> None:
    volume = np.full((4, 9, 9), value, np.uint8)
    result, report = applied(volume, *read_rules("kidney", LABELS))
    assert np.array_equal(result, volume)
    assert report.remarks == ()


@pytest.mark.parametrize(
    ("volume", "voxel", "reason"),
    [(drawn(LEFT), None, "how large its voxels are"), (drawn(LEFT)[4:5], CUBE, "a single slice")],
)
def test_what_can_not_be_done_is_left_out_and_said(
    volume: NDArray[np.uint8], voxel: VoxelSize | None, reason: str
) -> None:
    result, report = applied(volume, *read_rules("kidney", LABELS), voxel=voxel)
    assert np.array_equal(result, volume)
    assert len(report.remarks) == 4
    assert all(reason in remark for remark in report.remarks)
