"""The model card says what its files say."""

from pathlib import Path

import keras
import pytest
from fit import EpochLog
from logs import read_log
from tally import Spread, Tally, figures, read_tallies, slice_dice

FOLDER = Path(__file__).parents[2] / "examples" / "kidney_unet"
CARD = (FOLDER / "README.md").read_text(encoding="utf-8")
ROWS = {"kits23_slices": "KiTS23", "": "together"}
TRAINED_ALWAYS = {"kits19_slices", "curvas"}


@pytest.fixture(scope="module")
def tallies() -> list[Tally]:
    return read_tallies(FOLDER / "cross-validation.csv")


@pytest.fixture(scope="module")
def log() -> list[EpochLog]:
    return read_log(FOLDER / "kidney-unet.csv")


def spread(of: Spread) -> str:
    return f"{of.mean:.3f} ({of.sd:.3f}; {of.median:.3f})"


def test_every_patient_is_in_one_fold(tallies: list[Tally]) -> None:
    folds = {(one.patient, one.fold) for one in tallies}
    assert len(folds) == len({one.patient for one in tallies})
    assert len({(one.source, one.name) for one in tallies}) == len(tallies)


def test_no_slice_of_a_patient_that_was_always_trained_on_is_counted(tallies: list[Tally]) -> None:
    assert not {one.source for one in tallies} & TRAINED_ALWAYS


@pytest.mark.parametrize(("source", "row"), ROWS.items())
def test_figures_are_those_of_the_slices(tallies: list[Tally], source: str, row: str) -> None:
    some = [one for one in tallies if one.source.startswith(source)]
    of = figures(some)
    (line,) = (line for line in CARD.splitlines() if line.startswith(f"| {row} |") and "; " in line)
    assert f"| {of.slices} slices, {len({one.patient for one in some})} patients |" in line
    assert f"| {spread(of.kidney_and_mass)}, {of.kidney_and_mass.patients} |" in line
    assert f"| {spread(of.tumor)}, {of.tumor.patients} |" in line
    for false, free in ((of.false_tumor, of.tumor_free), (of.false_kidney, of.kidney_free)):
        assert f"| {false} of {free} ({false / free:.1%}) |".replace("%", " %") in line


def test_slices_that_show_enough_are_scored_one_by_one(tallies: list[Tally]) -> None:
    for region, least, shown in (("kidney", 500, "kidney_and_mass"), ("tumor", 300, "tumor")):
        of = slice_dice(tallies, region, least)
        words = f"{shown} {of.mean:.3f} over {of.patients} slices with more than {least} pixels"
        assert words in " ".join(CARD.split())


def test_what_mirroring_gains_is_told(tallies: list[Tally]) -> None:
    plain, mirror = figures(tallies), figures(read_tallies(FOLDER / "cross-validation-mirror.csv"))
    words = (
        f"{plain.kidney_and_mass.mean:.3f} / {plain.tumor.mean:.3f} without, "
        f"{mirror.kidney_and_mass.mean:.3f} / {mirror.tumor.mean:.3f} with"
    )
    assert words in CARD


def test_the_model_is_the_last_of_its_log(log: list[EpochLog]) -> None:
    assert log[-1].saved == 1
    assert log[-1].done >= 1


def test_the_model_is_small_and_of_the_card() -> None:
    path = FOLDER / "kidney-unet.keras"
    assert path.stat().st_size < 10_000_000
    model = keras.models.load_model(path, compile=False)
    assert f"{model.count_params():,} parameters" in CARD
