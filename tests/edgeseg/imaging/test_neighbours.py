"""A stack is a slice between its neighbours, and none of them is prepared twice."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeseg.bundle.manifest import Preprocessing
from edgeseg.errors import VolumeError
from edgeseg.imaging.neighbours import SliceLevels, input_notes, neighbours
from edgeseg.imaging.slices import SliceGeometry


@dataclass
class _Scan:
    """Slices of one value each, which are counted as they are read."""

    values: Sequence[int]
    windowed: bool = False
    warning: str | None = None
    slice_mm: float | None = None
    read: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.values)

    def slice(self, index: int) -> NDArray[np.int16]:
        self.read.append(index)
        return np.full((4, 4), self.values[index], np.int16)

    def geometry(self, _index: int) -> SliceGeometry:
        return SliceGeometry(4, 4)

    def name(self, index: int) -> str:
        return str(index)


@pytest.mark.parametrize(
    ("index", "count", "slices", "expected"),
    [
        (2, 5, 3, (1, 2, 3)),
        (0, 5, 3, (0, 0, 1)),
        (4, 5, 3, (3, 4, 4)),
        (0, 1, 3, (0, 0, 0)),
        (1, 3, 5, (0, 0, 1, 2, 2)),
        (3, 9, 1, (3,)),
    ],
)
def test_the_first_and_the_last_slice_stand_in_for_those_beyond(
    index: int, count: int, slices: int, expected: tuple[int, ...]
) -> None:
    assert neighbours(index, count, slices) == expected


@given(st.integers(1, 30), st.sampled_from([3, 5, 7]))
def test_a_stack_holds_the_neighbours_and_reads_each_slice_once(count: int, slices: int) -> None:
    scan = _Scan([10 * number for number in range(count)])
    how = Preprocessing((0.0, 255.0), (4, 4), channels=slices, slices=slices)
    levels = SliceLevels(scan, how)
    for index in range(count):
        stack = levels.of(index)
        expected = [min(255, 10 * number) for number in neighbours(index, count, slices)]
        assert stack.shape == (slices, 4, 4)
        assert stack[:, 0, 0].tolist() == expected
    assert scan.read == list(range(count))


def test_what_a_scan_lacks_for_a_model_is_said() -> None:
    one = Preprocessing((0.0, 255.0), (4, 4))
    stack = Preprocessing((0.0, 255.0), (4, 4), channels=3, slices=3)
    volume, pictures = _Scan([1, 2, 3]), _Scan([1, 2, 3], windowed=True)
    assert (
        input_notes(volume, one) == input_notes(pictures, one) == input_notes(volume, stack) == ()
    )
    (said,) = input_notes(pictures, stack)
    assert "in the order of their names" in said
    (said,) = input_notes(_Scan([1]), stack)
    assert "there is one: it stands in for them" in said
    windows = ((0.0, 255.0), (100.0, 200.0))
    several = Preprocessing((0.0, 255.0), (4, 4), channels=2, windows=windows, level_bits=16)
    assert input_notes(volume, several) == ()
    with pytest.raises(VolumeError, match="give the CT in HU"):
        input_notes(pictures, several)


def test_a_model_of_one_slice_reads_no_neighbour() -> None:
    scan = _Scan([1, 2, 3])
    levels = SliceLevels(scan, Preprocessing((0.0, 255.0), (4, 4)))
    assert levels.of(1).shape == (4, 4)
    assert scan.read == [1]
