"""Scores are those of the KiTS challenge, and only masks of one grid are compared."""

import csv
import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from heard_progress import HeardProgress, Job
from numpy.typing import NDArray
from PIL import Image
from reference_metric import reference_surface_dice
from scans import names

from edgeseg.bundle.rules import LeastVolume
from edgeseg.errors import OutputError, VolumeError
from edgeseg.scoring.dice import KITS_REGIONS, KITS_TOLERANCES_MM
from edgeseg.scoring.evaluation import Score, average, evaluate, evaluate_pairs, score, write_csv
from edgeseg.scoring.pairing import CasePair

_IPL = np.array([[0, 0, -0.8, 30], [0, -0.7, 0, 40], [-2.5, 0, 0, 500], [0, 0, 0, 1.0]])
_DATA = os.environ.get("EDGESEG_DATA", "")
_KITS = sorted(Path(_DATA, "kits23_labels").glob("*.nii.gz")) if _DATA else []


def _labels() -> NDArray[np.uint8]:
    """Return a kidney with a tumour that holds a cyst, stored as (slices, rows, columns)."""
    labels = np.zeros((7, 20, 24), np.uint8)
    labels[1:6, 3:17, 4:20] = 1
    labels[2:5, 6:12, 6:13] = 2
    labels[3, 8:10, 8:10] = 3
    return labels


def _write(path: Path, values: NDArray[Any], affine: NDArray[Any] = _IPL) -> Path:
    if path.suffix == ".png":
        Image.fromarray(values).save(path)
    else:
        nib.save(nib.Nifti1Image(values, affine), path)
    return path


def _pair(
    folder: Path, prediction: NDArray[Any], affine: NDArray[Any] = _IPL, end: str = ".nii.gz"
) -> CasePair:
    truth = _labels() if end != ".png" else _labels()[3]
    return CasePair(
        "case",
        _write(folder / f"ours{end}", prediction, affine),
        _write(folder / f"theirs{end}", truth),
    )


def _by_the_package(path: Path, prediction: Path) -> dict[str, float]:
    """Return the surface Dice of each region from the arrays as stored."""
    truth, made = (np.asarray(nib.load(file).dataobj) for file in (path, prediction))
    spacing = nib.load(path).header.get_zooms()
    return {
        name: reference_surface_dice(
            np.isin(truth, labels), np.isin(made, labels), spacing, KITS_TOLERANCES_MM[name]
        )
        for name, labels in KITS_REGIONS.items()
    }


def test_the_truth_scores_one(tmp_path: Path) -> None:
    scored = score(_pair(tmp_path, _labels()))
    assert scored.dice == scored.surface_dice == dict.fromkeys(KITS_REGIONS, 1)
    # Voxels of 2.5 x 0.7 x 0.8 mm: 1,120 of the kidney, 126 of the mass, 4 of them its cyst.
    volumes = {"kidney_and_mass": 1120 * 1.4e-3, "mass": 126 * 1.4e-3, "tumor": 122 * 1.4e-3}
    assert scored.truth_ml == scored.predicted_ml == pytest.approx(volumes)


def test_spacing_goes_with_its_axis(tmp_path: Path) -> None:
    """A shift along slices of 2.5 mm is far, one along rows of 0.7 mm is near."""
    for axis, near in ((0, False), (1, True), (2, True)):
        scored = score(_pair(tmp_path, np.roll(_labels(), 1, axis)))
        assert scored.surface_dice is not None
        assert (scored.surface_dice["kidney_and_mass"] == 1) is near


@pytest.mark.parametrize("codes", ["IPL", "RAS", "SRA"])
def test_values_are_those_of_the_package(codes: str, tmp_path: Path) -> None:
    """However the prediction is stored: what counts is where its voxels lie."""
    prediction = np.roll(_labels(), (0, 2, 1), (0, 1, 2))
    prediction[0, 0, 0] = 3
    pair = _pair(tmp_path, prediction)
    expected = _by_the_package(pair.truth, pair.prediction)
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("IPL"), nib.orientations.axcodes2ornt(codes)
    )
    nib.save(nib.load(pair.prediction).as_reoriented(turn), pair.prediction)
    assert score(pair).surface_dice == pytest.approx(expected, abs=1e-9)


@pytest.mark.skipif(not _KITS, reason="EDGESEG_DATA is not set: no real labels here")
@pytest.mark.parametrize("path", _KITS, ids=lambda path: path.name[:10])
def test_real_labels_score_as_with_the_package(path: Path, tmp_path: Path) -> None:
    """Every other slice of a kidney with its tumour, against a coarser and shifted copy."""
    stored: Any = nib.load(path)
    whole = np.asarray(stored.dataobj).astype(np.uint8)
    middle = [int(values.mean()) for values in np.nonzero(whole == 2)]
    box = tuple(slice(max(0, place - 32), place + 32) for place in middle)
    labels = whole[box][::2]
    affine = stored.affine @ np.diag([2, 1, 1, 1])
    truth = _write(tmp_path / "truth.nii.gz", labels, affine)
    coarse = labels[:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2)
    made = np.roll(coarse[:, : labels.shape[1], : labels.shape[2]], 1, axis=2)
    prediction = _write(tmp_path / "made.nii.gz", made, affine)
    scored = score(CasePair("case", prediction, truth))
    assert scored.surface_dice == pytest.approx(_by_the_package(truth, prediction), abs=1e-9)
    assert scored.surface_dice is not None
    assert 0.5 < scored.surface_dice["tumor"] < 1
    assert 0.5 < scored.dice["tumor"] < 1


def test_empty_regions(tmp_path: Path) -> None:
    """Tumour and masses missed are 0, absent from both they are 1."""
    kidney = np.minimum(_labels(), 1)
    missed = score(_pair(tmp_path, kidney))
    assert missed.dice == missed.surface_dice == {"kidney_and_mass": 1, "mass": 0, "tumor": 0}
    pair = _pair(tmp_path, np.zeros_like(kidney))
    _write(pair.truth, np.zeros_like(kidney))
    empty = score(pair)
    assert empty.dice == empty.surface_dice == dict.fromkeys(KITS_REGIONS, 1)


def test_pictures_have_dice_alone(tmp_path: Path) -> None:
    prediction = _labels()[3]
    prediction[prediction == 3] = 2
    scored = score(_pair(tmp_path, prediction, end=".png"))
    assert scored.surface_dice is None
    assert scored.dice == {"kidney_and_mass": 1, "mass": 1, "tumor": pytest.approx(76 / 80)}


def _moved(row: int, column: int, by: float) -> NDArray[np.float64]:
    affine = _IPL.copy()
    affine[row, column] += by
    return affine


@pytest.mark.parametrize(
    ("affine", "words"),
    [
        (_moved(0, 3, 0.01), "corners lie up to 0.01 mm elsewhere"),
        (_moved(0, 2, 0.1), "spacing is 2.5 x 0.7 x 0.7 mm and not 2.5 x 0.7 x 0.8 mm"),
        (_moved(0, 0, 0.01), "corners lie up to 0.06 mm elsewhere"),
        (np.diag([1, -1, 1, 1]) @ _IPL, "corners lie up to"),
    ],
    ids=["origin", "spacing", "tilt", "mirrored"],
)
def test_another_grid_is_refused(affine: NDArray[np.float64], words: str, tmp_path: Path) -> None:
    """A mask of the same shape that lies elsewhere is no mask of this scan."""
    pair = _pair(tmp_path, _labels(), affine)
    with pytest.raises(VolumeError, match=rf"ours.* not lie on the grid of .*theirs.*{words}"):
        score(pair)


def test_the_rounding_of_headers_is_no_other_grid(tmp_path: Path) -> None:
    scored = score(_pair(tmp_path, _labels(), _moved(0, 3, 5e-4)))
    assert scored.dice["tumor"] == 1


@pytest.mark.parametrize("end", [".nii.gz", ".png"])
def test_another_size_is_refused(end: str, tmp_path: Path) -> None:
    prediction = _labels()[:, :, :-1] if end != ".png" else _labels()[3, :, :-1]
    words = "it has .*20 rows, 23 columns and not .*20 rows, 24 columns"
    with pytest.raises(VolumeError, match=words):
        score(_pair(tmp_path, prediction, end=end))


def test_a_picture_is_no_volume(tmp_path: Path) -> None:
    pair = _pair(tmp_path, _labels())
    picture = _write(tmp_path / "ours.png", _labels()[3])
    with pytest.raises(VolumeError, match="it has 20 rows, 24 columns and not 7 slices"):
        score(CasePair("case", picture, pair.truth))


@pytest.mark.parametrize("value", [4, 255, -1, 300, 1.5, np.nan])
def test_what_is_no_label_is_refused(value: float, tmp_path: Path) -> None:
    """An image, labels of something else, probabilities."""
    stored = _labels().astype(np.int16 if float(value).is_integer() else np.float32)
    stored[2, 2, 2] = value
    with pytest.raises(VolumeError, match=r"ours\.nii\.gz has the label value"):
        score(_pair(tmp_path, stored))


def test_a_picture_that_is_no_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=r"ours\.png has the label value 90"):
        score(_pair(tmp_path, _labels()[3] * 90, end=".png"))


def test_labels_stored_as_floats_are_labels(tmp_path: Path) -> None:
    """As some tools write them."""
    assert score(_pair(tmp_path, _labels().astype(np.float32))).dice["tumor"] == 1


def test_every_case_weighs_the_same(tmp_path: Path) -> None:
    """The average is over cases, not voxels; the caller hears of each."""
    one = Score("a", {"tumor": 1.0}, {"tumor": 0.5})
    other = Score("b", {"tumor": 0.0}, {"tumor": 0.2})
    assert average([one, other]) == Score("average", {"tumor": 0.5}, {"tumor": 0.35})
    heard = HeardProgress()
    pair = _pair(tmp_path, _labels())
    made = evaluate_pairs([pair, pair], heard)
    assert heard.jobs == [Job("Scoring", 2, 2)]
    assert [scored.case for scored in made.cases] == ["case"] * 2
    assert made.tolerances_mm == KITS_TOLERANCES_MM


def test_two_masks_are_evaluated_from_python(tmp_path: Path) -> None:
    pair = _pair(tmp_path, _labels())
    (case,) = evaluate(str(pair.prediction), pair.truth).cases
    assert case.dice == dict.fromkeys(KITS_REGIONS, 1.0)


def test_a_tumour_where_none_is_counts_in_millilitres(tmp_path: Path) -> None:
    """Only scans without a tumour count, those where none is found too."""
    healthy = np.minimum(_labels(), 1)
    pairs = []
    for name, prediction, truth in (
        ("ill", _labels(), _labels()),
        ("quiet", healthy, healthy),
        ("false", np.where(_labels() == 2, np.uint8(2), healthy), healthy),
    ):
        folder = tmp_path / name
        folder.mkdir()
        pairs.append(
            CasePair(
                name,
                _write(folder / "ours.nii.gz", prediction),
                _write(folder / "theirs.nii.gz", truth),
            )
        )
    made = evaluate_pairs(pairs)
    assert set(made.false_volumes) == {"mass", "tumor"}
    false = made.false_volumes["tumor"]
    assert (false.scans, false.found_in) == (2, 1)
    assert false.largest_ml == pytest.approx(122 * 1.4e-3)
    assert false.median_ml == pytest.approx(false.mean_ml) == pytest.approx(false.largest_ml / 2)


def test_masks_are_post_processed_before_they_are_scored(tmp_path: Path) -> None:
    """A speck apart from the kidneys goes; what it cost is told beside."""
    prediction = _labels()
    prediction[0, 18, 22] = 2
    pair = _pair(tmp_path, prediction)
    rule = LeastVolume(("kidney", "tumor", "cyst"), 0.01)
    scored = score(pair, [rule])
    assert scored.dice == dict.fromkeys(KITS_REGIONS, 1)
    assert scored.dice_before is not None
    assert scored.dice_before["tumor"] == pytest.approx(244 / 245)
    (outcome,) = scored.postprocess.rules
    assert outcome.removed_ml == pytest.approx(1.4e-3)
    assert average([scored]).dice_before == scored.dice_before
    assert score(pair).postprocess.rules == ()


def test_rules_are_left_out_for_pictures(tmp_path: Path) -> None:
    scored = score(_pair(tmp_path, _labels()[3], end=".png"), [LeastVolume(("tumor",), 1.0)])
    assert scored.dice["tumor"] == 1
    assert scored.postprocess.rules[0].skipped is not None
    assert (scored.truth_ml, scored.predicted_ml) == (None, None)


def test_the_csv_is_that_of_the_challenge(tmp_path: Path) -> None:
    pair = _pair(tmp_path, np.minimum(_labels(), 2))
    write_csv(tmp_path / "evaluation.csv", evaluate_pairs([pair]))
    head, case, mean = (tmp_path / "evaluation.csv").read_text().splitlines()
    assert head == "caseID,Dice_kidney,Dice_masses,Dice_tumor,SD_kidney,SD_masses,SD_tumor"
    assert case.startswith("case,1.00000000,1.00000000,0.98387097,1.00000000,1.00000000,")
    assert mean == case.replace("case", "average")


def test_the_csv_of_pictures_has_dice_alone(tmp_path: Path) -> None:
    """A comma in a name does not shift the columns."""
    pair = _pair(tmp_path, _labels()[3], end=".png")
    made = evaluate_pairs([CasePair("a,b", pair.prediction, pair.truth)])
    write_csv(tmp_path / "e.csv", made)
    with (tmp_path / "e.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["caseID", "Dice_kidney", "Dice_masses", "Dice_tumor"]
    assert rows[1] == ["a,b", *["1.00000000"] * 3]


def test_a_csv_that_can_not_be_written(tmp_path: Path) -> None:
    made = evaluate_pairs([_pair(tmp_path, _labels())])
    before = names(tmp_path)
    with pytest.raises(OutputError, match="can't write"):
        write_csv(tmp_path / "nowhere" / "e.csv", made)
    assert names(tmp_path) == before
