"""The model card says what its files say."""

import csv
import statistics
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "kidney_unet"
CARD = (FOLDER / "README.md").read_text(encoding="utf-8")


def patients() -> list[dict[str, str]]:
    with (FOLDER / "cross-validation.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def mean(region: str, source: str = "") -> str:
    known = [float(one[region]) for one in patients() if one["patient"].startswith(source)]
    return f"{statistics.fmean(value for value in known if value == value):.3f}"  # noqa: PLR0124


def test_every_patient_is_in_one_fold() -> None:
    names = [one["patient"] for one in patients()]
    assert len(names) == len(set(names)) == 37
    assert sum(int(one["slices"]) for one in patients()) == 147


@pytest.mark.parametrize(
    ("source", "row"), [("case", "KiTS19"), ("10", "CURVAS"), ("", "together")]
)
def test_means_are_those_of_the_patients(source: str, row: str) -> None:
    (line,) = (line for line in CARD.splitlines() if line.startswith(f"| {row} |") and "(" in line)
    assert f"| {mean('kidney_and_mass', source)} (" in line
    if source != "10":
        assert f"| {mean('tumor', source)} (" in line


def test_false_tumours_are_those_of_the_patients() -> None:
    false, free = (
        sum(int(one[key]) for one in patients() if one["patient"].startswith("10"))
        for key in ("false_tumor", "tumor_free")
    )
    assert f"| {false} of {free} |" in CARD


def test_the_model_is_small() -> None:
    assert (FOLDER / "kidney-unet.keras").stat().st_size < 10_000_000
