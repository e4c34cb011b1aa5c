"""Labelled slices are grouped and divided by patient, and a folder's layout is told."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_cases import drawn_label, write_case

from edgeseg.errors import UsageError, VolumeError
from edgeseg.imaging.levels import Grey
from edgeseg.imaging.slices import Mask, SliceGeometry
from edgeseg.labelled import (
    LabelledSlice,
    by_patient,
    read_labelled,
    refuse_shared_patients,
    split,
)


def _read() -> tuple[Grey, Mask]:
    return np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8)


def _slices(*patients: str) -> tuple[LabelledSlice, ...]:
    geometry = SliceGeometry(2, 2)
    return tuple(
        LabelledSlice(
            patient, "drawn", f"{patient}_z{number:03}", geometry, windowed=True, read=_read
        )
        for number, patient in enumerate(patients)
    )


def test_patients_come_in_order_of_first_appearance() -> None:
    slices = _slices("b", "a", "b", "c")
    groups = by_patient(slices)
    assert list(groups) == ["b", "a", "c"]
    assert groups["b"] == (slices[0], slices[2])


@given(st.lists(st.sampled_from("abcdef"), min_size=1), st.sets(st.sampled_from("abcdef")))
def test_a_split_shares_no_patient_and_loses_no_slice(
    patients: list[str], held_out: set[str]
) -> None:
    slices = _slices(*patients)
    if held_out <= set(patients) and held_out != set(patients):
        train, validation = split(slices, held_out)
        assert {*train} | {*validation} == {*slices}
        assert len(train) + len(validation) == len(slices)
        assert set(by_patient(validation)) == held_out
        refuse_shared_patients(train, validation)
    else:
        with pytest.raises(UsageError, match=r"no slices of|every patient is held out"):
            split(slices, held_out)


def test_an_unknown_patient_is_told_some_known_ones() -> None:
    with pytest.raises(UsageError, match="no slices of x; patients are a, b, c, d, e and 1 more"):
        split(_slices(*"abcdef"), ["a", "x"])


def test_everybody_held_out_leaves_none_to_train_on() -> None:
    with pytest.raises(UsageError, match="every patient is held out; leave some"):
        split(_slices("a", "b"), ["b", "a"])


def test_a_patient_in_both_folders_is_named() -> None:
    with pytest.raises(UsageError, match=r"^b would be trained on and validated on; keep"):
        refuse_shared_patients(_slices("a", "b"), _slices("c", "b"))


@pytest.mark.parametrize("name", ["none", "a_file", "empty", "x" * 5000])
def test_what_holds_no_labelled_slices_is_told_the_layouts(name: str, tmp_path: Path) -> None:
    (tmp_path / "a_file").write_text("no folder")
    (tmp_path / "empty").mkdir()
    with pytest.raises(VolumeError, match=r"no folder|no labelled|can't be read") as caught:
        read_labelled(tmp_path / name)
    assert "images/ and labels/" in str(caught.value)
    assert "case_00000/imaging.nii.gz" in str(caught.value)
    assert "imagesTr/ and labelsTr/" in str(caught.value)


def test_one_case_gives_the_same_slices_in_either_layout(tmp_path: Path) -> None:
    case = write_case(tmp_path / "kits", "case_00007", drawn_label())
    for part, name in (("imagesTr", "case_00007_0000"), ("labelsTr", "case_00007")):
        (tmp_path / "nnunet" / part).mkdir(parents=True)
        kind = "imaging" if part == "imagesTr" else "segmentation"
        shutil.copy(case / f"{kind}.nii.gz", tmp_path / "nnunet" / part / f"{name}.nii.gz")
    kits, nnunet = (read_labelled(tmp_path / source) for source in ("kits", "nnunet"))
    assert [(s.patient, s.name, s.geometry, s.windowed) for s in kits] == [
        (s.patient, s.name, s.geometry, s.windowed) for s in nnunet
    ]
    assert {s.source for s in kits} == {"kits"}
    for one, other in zip(kits, nnunet, strict=True):
        assert all(map(np.array_equal, one.read(), other.read()))
