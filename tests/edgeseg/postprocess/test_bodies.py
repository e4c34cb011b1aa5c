"""Bodies found slice by slice are those that labelling the whole volume finds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage

from edgeseg.postprocess.bodies import find_bodies, without_bodies

# Sides and corners within a slice, one above the other between slices.
_JOINED = np.zeros((3, 3, 3), np.bool_)
_JOINED[1] = True
_JOINED[:, 1, 1] = True

_VOLUMES = st.integers(0, 5).flatmap(
    lambda slices: arrays(np.uint8, (slices, 7, 8), elements=st.integers(0, 3))
)


@given(_VOLUMES)
def test_they_are_the_components_of_the_volume(volume: NDArray[np.uint8]) -> None:
    bodies = find_bodies(list(volume), [1, 3], [3])
    truth, count = ndimage.label(np.isin(volume, [1, 3]), _JOINED)
    assert len(bodies) == count
    sizes = np.bincount(truth.ravel(), minlength=count + 1)[1:]
    shares = np.bincount(truth[volume == 3], minlength=count + 1)[1:]
    assert sorted(zip(bodies.voxels, bodies.counted, strict=True)) == sorted(
        zip(sizes, shares, strict=True)
    )


@given(_VOLUMES)
def test_a_removed_body_is_gone_and_nothing_else(volume: NDArray[np.uint8]) -> None:
    masks = list(volume)
    bodies = find_bodies(masks, [1])
    removed = bodies.voxels > np.median(bodies.voxels) if len(bodies) else np.zeros(0, np.bool_)
    truth, count = ndimage.label(volume == 1, _JOINED)
    large = np.bincount(truth.ravel(), minlength=count + 1) > (
        np.median(bodies.voxels) if count else 0
    )
    large[0] = False
    expected = np.where(large[truth], 0, volume)
    result = without_bodies(masks, bodies, removed)
    assert len(result) == len(masks)
    assert all(np.array_equal(mask, plane) for mask, plane in zip(result, expected, strict=True))


def test_first_and_last_slice_are_those_of_the_body() -> None:
    volume = np.zeros((6, 4, 4), np.uint8)
    volume[1:4, 0, 0] = 1
    volume[5, 3, 3] = 1
    bodies = find_bodies(list(volume), [1])
    assert sorted(zip(bodies.first_slice, bodies.last_slice, strict=True)) == [(1, 3), (5, 5)]
