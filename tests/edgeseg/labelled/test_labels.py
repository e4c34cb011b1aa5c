"""Stored label values of any type become KiTS values, or are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeseg.errors import VolumeError
from edgeseg.labelled.labels import KITS_VALUES, to_kits


@given(
    st.dictionaries(st.integers(0, 255), st.integers(0, 3), min_size=1),
    st.sampled_from([np.int16, np.float32]),
    st.data(),
)
def test_every_value_is_looked_up(values: dict[int, int], kind: type, data: st.DataObject) -> None:
    drawn = data.draw(st.lists(st.sampled_from(sorted(values)), min_size=1))
    labels = to_kits(np.array(drawn, kind), values, Path("label.nii.gz"))
    assert labels.dtype == np.uint8
    assert labels.tolist() == [values[value] for value in drawn]


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (np.array([0, 4], np.uint8), "4"),
        (np.array([0, 255], np.uint8), "255"),
        (np.array([0, 257], np.int16), "257"),
        (np.array([0, -1], np.int16), "-1"),
        (np.array([0, 1.5], np.float32), "1.5"),
        (np.array([0, -1024], np.float32), "-1024"),
    ],
)
def test_an_unknown_value_is_refused(stored: NDArray[Any], shown: str) -> None:
    with pytest.raises(VolumeError, match=f"^a.png has the label value {shown}; known are 0, 1, 2"):
        to_kits(stored, KITS_VALUES, Path("a.png"))
