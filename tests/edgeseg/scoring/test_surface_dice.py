"""Surface Dice by hand, and against the package that the KiTS challenge takes it from."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from reference_metric import reference_areas, reference_surface_dice

from edgeseg.scoring.surface_dice import Spacing, bounding_box, element_areas, surface_dice

_SPACINGS = st.tuples(*[st.floats(0.3, 6.0)] * 3)
_MASKS = arrays(np.bool_, (4, 5, 3))


def _cube(size: int = 12, start: int = 3, end: int = 9) -> NDArray[np.bool_]:
    mask = np.zeros((size, size, size), np.bool_)
    mask[start:end, start:end, start:end] = True
    return mask


@given(_SPACINGS)
@example((1.0, 1.0, 1.0))
@example((5.0, 0.78, 0.78))
def test_every_neighbour_code_has_the_area_of_the_package(spacing: Spacing) -> None:
    """All 256 elements, with voxels of any shape."""
    assert element_areas(spacing) == pytest.approx(reference_areas(spacing), rel=1e-12)


def test_areas_by_hand() -> None:
    """A plane across an axis is a face of the voxel, a corner cut off is a triangle."""
    areas = element_areas((5.0, 2.0, 3.0))
    assert areas[0b00001111] == pytest.approx(6)
    assert areas[0b00110011] == pytest.approx(15)
    assert areas[0b01010101] == pytest.approx(10)
    assert element_areas((1.0, 1.0, 1.0))[1] == pytest.approx(np.sqrt(3) / 8)
    assert areas[0] == areas[255] == 0


@given(_MASKS, _MASKS, _SPACINGS, st.floats(0.0, 8.0))
def test_any_masks_give_the_value_of_the_package(
    one: NDArray[np.bool_], other: NDArray[np.bool_], spacing: Spacing, tolerance: float
) -> None:
    """Also where they touch the border of the volume, and where voxels are flat."""
    one[0, 0, 0] = other[-1, -1, -1] = True
    expected = reference_surface_dice(one, other, spacing, tolerance)
    assert surface_dice(one, other, spacing, tolerance) == pytest.approx(expected, abs=1e-12)


@given(_MASKS, _MASKS, st.permutations(range(3)))
def test_orientation_does_not_matter(
    one: NDArray[np.bool_], other: NDArray[np.bool_], axes: list[int]
) -> None:
    """A volume stored with other axes, or mirrored, has the same surface."""
    spacing = (0.7, 1.1, 2.3)
    turned = [mask.transpose(axes)[::-1] for mask in (one, other)]
    order = (spacing[axes[0]], spacing[axes[1]], spacing[axes[2]])
    expected = surface_dice(one, other, spacing, 1.5)
    assert surface_dice(*turned, order, 1.5) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("tolerance", "expected"), [(1.99, False), (2.0, True), (2.01, True)])
def test_the_tolerance_itself_counts(tolerance: float, expected: bool) -> None:
    """A cube that moves by one voxel of 2 mm is wholly within 2 mm, and not within less."""
    moved = np.roll(_cube(), 1, axis=0)
    value = surface_dice(_cube(), moved, (2.0, 1.0, 1.0), tolerance)
    assert (value == 1.0) is expected


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_each_axis_has_its_own_spacing(axis: int) -> None:
    """The same shift in voxels is near along a fine axis and far along a coarse one."""
    moved = np.roll(_cube(), 1, axis=axis)
    value = surface_dice(_cube(), moved, (5.0, 0.5, 1.0), 0.9)
    assert (value == 1.0) is (axis == 1)


def test_empty_masks() -> None:
    """Both empty agree, one empty does not."""
    empty = np.zeros((12, 12, 12), np.bool_)
    assert surface_dice(empty, empty, (1.0, 1.0, 1.0), 1.0) == 1.0
    assert surface_dice(empty, _cube(), (1.0, 1.0, 1.0), 1.0) == 0.0
    assert surface_dice(_cube(), empty, (1.0, 1.0, 1.0), 1.0) == 0.0


def test_the_border_of_the_volume_is_surface() -> None:
    """A mask that fills its volume has the surface that it has in a larger volume."""
    full, smaller = np.ones((4, 4, 4), np.bool_), np.zeros((4, 4, 4), np.bool_)
    smaller[1:3, 1:3, 1:3] = True
    inner = surface_dice(full, smaller, (1.0, 1.0, 1.0), 1.0)
    outer = surface_dice(np.pad(full, 3), np.pad(smaller, 3), (1.0, 1.0, 1.0), 1.0)
    assert 0 < inner == outer < 1


def test_only_3d_masks_of_one_shape_are_compared() -> None:
    """Broadcasting would compare what does not belong together."""
    flat, deep = np.ones((3, 3), np.bool_), np.ones((3, 3, 3), np.bool_)
    for pair in ((flat, flat), (deep, deep[:1])):
        with pytest.raises(ValueError, match="can't be compared"):
            surface_dice(*pair, (1.0, 1.0, 1.0), 1.0)


def test_bounding_box() -> None:
    """The smallest box that holds everything, or an empty one."""
    mask = np.zeros((5, 6, 7), np.bool_)
    assert mask[bounding_box(mask)].size == 0
    mask[1, 2, 3] = mask[3, 2, 6] = True
    assert bounding_box(mask) == (slice(1, 4), slice(2, 3), slice(3, 7))
