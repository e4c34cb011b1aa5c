"""Slices to measure on are new to the compiler, or refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from drawn_slices import drawn, write
from PIL import Image

from edgeseg.errors import UsageError, VolumeError
from edgeseg_converters.search.validation import read_validation

SIDE = 32


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    return write(tmp_path / "labelled", {"case_00001": 2, "case_00002": 1}, SIDE)


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """Slices of another patient, without labels."""
    folder = tmp_path / "others"
    folder.mkdir()
    for seed in (100, 101):
        Image.fromarray(drawn(seed, SIDE)[0]).save(folder / f"{seed}.png")
    return folder


def test_slices_of_some_patients_are_read(labelled: Path, others: Path) -> None:
    every = read_validation(labelled, None, others)
    one = read_validation(labelled, ["case_00002"], others)
    assert [piece.name for piece in one.slices] == ["case_00002_z000"]
    assert len(every.slices) == 3
    assert every.digest != one.digest
    assert read_validation(labelled, None, others).digest == every.digest


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_other_pixels_give_another_digest(labelled: Path, others: Path, kind: str) -> None:
    before = read_validation(labelled, None, others).digest
    file = labelled / kind / "case_00001_z000.png"
    pixels = np.array(Image.open(file))
    pixels[0, 0] = 1
    Image.fromarray(pixels).save(file)
    assert read_validation(labelled, None, others).digest != before


def test_the_same_folder_is_refused(labelled: Path) -> None:
    with pytest.raises(UsageError, match="case_00001 would be validated on"):
        read_validation(labelled, None, labelled / "images")


def test_the_same_image_by_another_name_is_refused(labelled: Path, others: Path) -> None:
    shutil.copy(labelled / "images" / "case_00002_z000.png", others / "new.png")
    read_validation(labelled, ["case_00001"], others)
    with pytest.raises(UsageError, match=r"case_00002 .*others has slices of the same"):
        read_validation(labelled, None, others)


def test_another_slice_of_the_same_patient_is_refused(labelled: Path, others: Path) -> None:
    (others / "100.png").rename(others / "case_00002_z077.png")
    with pytest.raises(UsageError, match="case_00002"):
        read_validation(labelled, None, others)


def test_empty_slices_are_alike_in_all_patients(labelled: Path, others: Path) -> None:
    black = Image.new("L", (SIDE, SIDE))
    for file in (labelled / "images" / "case_00002_z000.png", others / "empty.png"):
        black.save(file)
    read_validation(labelled, None, others)


def test_no_calibration_slices(labelled: Path, tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="does not exist"):
        read_validation(labelled, None, tmp_path / "none")
