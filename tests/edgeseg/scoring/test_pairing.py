"""Predictions and truth are paired by name, and a case on one side alone is an error."""

from pathlib import Path

import pytest

from edgeseg.errors import UsageError, VolumeError
from edgeseg.scoring.pairing import CasePair, pair_cases


def _touch(folder: Path, *names: str) -> Path:
    """Make empty files; pairing looks at names alone."""
    folder.mkdir()
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    return folder


def test_kits_layout_and_plain_names_pair(tmp_path: Path) -> None:
    """In the order of names; other files, such as an earlier CSV or a preview, don't matter."""
    ours = _touch(
        tmp_path / "ours",
        *("case_00002.nii.gz", "case_00001.nii", "evaluation.csv", "preview.png", ".x.nii.gz"),
    )
    theirs = _touch(
        tmp_path / "theirs",
        *("case_00001/segmentation.nii.gz", "case_00001/imaging.nii.gz", "case_00002.nii.gz"),
    )
    assert pair_cases(ours, theirs) == (
        CasePair(
            "case_00001", ours / "case_00001.nii", theirs / "case_00001" / "segmentation.nii.gz"
        ),
        CasePair("case_00002", ours / "case_00002.nii.gz", theirs / "case_00002.nii.gz"),
    )


def test_pictures_pair(tmp_path: Path) -> None:
    ours, theirs = (_touch(tmp_path / name, "b.png", "a.png", "index.csv") for name in "ot")
    assert [pair.case for pair in pair_cases(ours, theirs)] == ["a", "b"]


def test_two_files_pair_whatever_their_names(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "f", "mask.nii.gz", "case_00003/segmentation.nii.gz")
    mask, truth = folder / "mask.nii.gz", folder / "case_00003" / "segmentation.nii.gz"
    assert pair_cases(mask, truth) == (CasePair("mask", mask, truth),)
    assert pair_cases(truth, mask) == (CasePair("case_00003", truth, mask),)


def test_a_linked_truth_keeps_the_name_of_its_case(tmp_path: Path) -> None:
    """Data stores keep the files elsewhere, under other names."""
    store = _touch(tmp_path / "store", "0f3a")
    case = _touch(tmp_path / "case_00001") / "segmentation.nii.gz"
    case.symlink_to(store / "0f3a")
    assert pair_cases(case, case)[0].case == "case_00001"


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (["a.nii.gz"], ["a.nii.gz", "b.nii.gz"], "/ours lacks b, which .*b.nii.gz is for"),
        (["a.png", "b.png", "c.png"], ["a.png"], "/theirs lacks b and 1 more"),
        ([], ["a.png"], "/ours has no mask"),
        (["a.png"], ["notes.txt"], "/theirs has no mask; give masks as NAME"),
        (["a.nii", "a.nii.gz"], ["a.nii"], "/ours has a twice"),
    ],
)
def test_what_does_not_pair_is_named(
    ours: list[str], theirs: list[str], words: str, tmp_path: Path
) -> None:
    folders = _touch(tmp_path / "ours", *ours), _touch(tmp_path / "theirs", *theirs)
    with pytest.raises(VolumeError, match=words):
        pair_cases(*folders)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="nowhere does not exist"):
        pair_cases(tmp_path / "nowhere", tmp_path)


def test_a_file_and_a_folder_do_not_pair(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "f", "a.nii")
    with pytest.raises(UsageError, match="give two files or two folders"):
        pair_cases(folder / "a.nii", folder)
