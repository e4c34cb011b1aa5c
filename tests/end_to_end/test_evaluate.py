"""``edgeseg evaluate`` from two folders to a table, a CSV and JSON."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from processes import edgeseg, one_line
from scans import TILTED, names

from edgeseg.output.terminal import RESEARCH_NOTE

_CASES = ("case_00000", "case_00012")


def _save(path: Path, labels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(labels, TILTED), path)
    return path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Predictions beside a truth in the layout of KiTS; the second case lacks its tumour."""
    labels = np.zeros((12, 14, 6), np.uint8)
    labels[2:9, 2:9, 1:5], labels[3:6, 3:6, 2:4] = 1, 2
    ours, theirs = tmp_path / "predictions", tmp_path / "truth"
    for case, made in zip(_CASES, (labels, np.minimum(labels, 1)), strict=True):
        _save(ours / f"{case}.nii.gz", made)
        _save(theirs / case / "segmentation.nii.gz", labels)
    return ours, theirs


def test_a_folder_is_scored(folders: tuple[Path, Path]) -> None:
    """A table of every case and the average, and the CSV beside the predictions."""
    ran = edgeseg("evaluate", *folders)
    assert (ran.code, ran.err) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in ran.out.splitlines() if line.split()}
    assert rows["case_00012"] == ["1.0000", "0.0000", "0.0000"] * 2
    assert rows["average"] == ["1.0000", "0.5000", "0.5000"] * 2
    assert RESEARCH_NOTE in ran.out
    assert max(map(len, ran.out.splitlines()[:-2])) <= 100
    assert (folders[0] / "evaluation.csv").read_text().splitlines() == [
        "caseID,Dice_kidney,Dice_masses,Dice_tumor,SD_kidney,SD_masses,SD_tumor",
        "case_00000" + ",1.00000000" * 6,
        "case_00012" + ",1.00000000,0.00000000,0.00000000" * 2,
        "average" + ",1.00000000,0.50000000,0.50000000" * 2,
    ]


def test_json_and_a_csv_elsewhere(folders: tuple[Path, Path], tmp_path: Path) -> None:
    before = names(folders[0])
    ran = edgeseg("evaluate", *folders, "--json", "-o", tmp_path / "scores.csv")
    assert (ran.code, ran.err) == (0, "")
    said = json.loads(ran.out)
    assert [one["case"] for one in said["cases"]] == list(_CASES)
    assert said["average"]["dice"] == {"kidney_and_mass": 1.0, "mass": 0.5, "tumor": 0.5}
    assert said["average"]["surface_dice"]["tumor"] == 0.5
    assert said["research_note"] == RESEARCH_NOTE
    assert (tmp_path / "scores.csv").is_file()
    assert names(folders[0]) == before


def test_two_files_leave_no_csv(folders: tuple[Path, Path], tmp_path: Path) -> None:
    ours, theirs = folders
    truth = theirs / _CASES[1] / "segmentation.nii.gz"
    before = names(ours) | names(tmp_path)
    ran = edgeseg("evaluate", ours / f"{_CASES[1]}.nii.gz", truth, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)["cases"][0]["dice"]["mass"] == 0.0
    assert names(ours) | names(tmp_path) == before


def test_rules_and_false_volumes_are_told(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Rules are applied to the masks that are scored; files stay as they are."""
    ours, theirs = folders
    for case in _CASES:
        path = theirs / case / "segmentation.nii.gz"
        _save(path, np.minimum(np.asarray(nib.load(path).dataobj), 1))
    before = (ours / f"{_CASES[0]}.nii.gz").read_bytes()
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nrule = "least-volume"\nlabels = ["tumor"]\nvolume_ml = 100\n')
    ran = edgeseg("evaluate", *folders)
    assert "2 scans without tumor: some is found in 1, median" in ran.out
    ran = edgeseg("evaluate", *folders, "--postprocess", rules)
    assert (ran.code, ran.err) == (0, "")
    assert "2 scans without tumor: some is found in 0" in ran.out
    assert "before rules" in ran.out
    assert "post-processing removed" in ran.out
    assert (ours / f"{_CASES[0]}.nii.gz").read_bytes() == before
    said = json.loads(edgeseg("evaluate", *folders, "--postprocess", rules, "--json").out)
    assert said["false_volumes"]["tumor"]["found_in"] == 0
    assert said["cases"][0]["postprocess"]["rules"][0]["removed_ml"] > 0
    assert said["average"]["dice"]["tumor"] == 1.0 > said["average"]["dice_before"]["tumor"]
    one_line(edgeseg("evaluate", *folders, "--postprocess", "liver"), 2, "liver", "kidney")


def test_pictures_are_scored_by_dice(tmp_path: Path) -> None:
    for folder in ("ours", "theirs"):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.eye(8, dtype=np.uint8)).save(tmp_path / folder / "slice.png")
    ran = edgeseg("evaluate", tmp_path / "ours", tmp_path / "theirs")
    assert (ran.code, ran.err) == (0, "")
    assert "Dice kidney" in ran.out
    assert "SD kidney" not in ran.out
    head = (tmp_path / "ours" / "evaluation.csv").read_text().splitlines()[0]
    assert head == "caseID,Dice_kidney,Dice_masses,Dice_tumor"


def test_refusals_are_one_line(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """And leave no CSV."""
    ours, theirs = folders
    empty = tmp_path / "empty"
    empty.mkdir()
    one_line(edgeseg("evaluate", empty, theirs), 1, "empty has no mask")
    one_line(edgeseg("evaluate", ours / f"{_CASES[0]}.nii.gz", theirs), 2, "two folders")
    one_line(edgeseg("evaluate", ours, theirs, "-o", ours / f"{_CASES[0]}.nii.gz"), 2, ".csv")
    _save(ours / f"{_CASES[1]}.nii.gz", np.ones((12, 14, 7), np.uint8))
    one_line(edgeseg("evaluate", ours, theirs), 1, _CASES[1], "7 slices", "6 slices")
    (ours / f"{_CASES[1]}.nii.gz").unlink()
    one_line(edgeseg("evaluate", ours, theirs), 1, "lacks case_00012")
    assert names(ours) == {"case_00000.nii.gz"}
