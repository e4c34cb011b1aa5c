"""Recipes side by side on drawn slices, from a model to the table."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from compression_table import ratios_of, recipes
from drawn_slices import write
from model import build
from PIL import Image

from edgeseg.bundle.bundle_file import Bundle
from edgeseg_converters.compare.comparison import Comparison
from edgeseg_converters.compress.recipe import Recipe, Zeros

# Keras reads its own variables in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SCRIPT = Path(__file__).parents[2] / "examples" / "compression_table.py"
KNOWN, HELD_OUT = ("case_00001", "case_00002"), ("case_00003", "case_00004")
RECIPE = """
quantize = "int8"
[filters]
ratio = 0.5
multiple = 4
[finetune]
epochs = 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compression")
    write(folder / "drawn", dict.fromkeys((*KNOWN, *HELD_OUT), 1))
    build(8, 1, batch_norm=True, separable=False).save(folder / "small.keras")
    (folder / "half.toml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def made(folder: Path) -> dict[str, Any]:
    words = [
        *(SCRIPT, folder / "small.keras", "--data", folder / "drawn", "-o", folder / "made"),
        *("--hold-out", ",".join(HELD_OUT), "--recipe", folder / "half.toml"),
        *("--ratios", "1", "--json"),
    ]
    ran = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, check=False, text=True
    )
    assert ran.returncode == 0, ran.stderr
    said: dict[str, Any] = json.loads(ran.stdout)
    return said


def test_every_recipe_is_measured_on_the_held_out(made: dict[str, Any], folder: Path) -> None:
    assert made["patients"] == list(HELD_OUT)
    assert [one["name"] for one in made["bundles"]] == ["exact", "half", "algorithm-2-1"]
    with (folder / "made" / "compression.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 4


def test_calibration_sees_the_other_patients_alone(made: dict[str, Any], folder: Path) -> None:
    del made
    pictures = sorted((folder / "made" / "calibration").iterdir())
    assert [path.name.split("_z")[0] for path in pictures] == [f"drawn-{p}" for p in KNOWN]
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.mode == "L"


def test_compression_shows_in_the_size(made: dict[str, Any]) -> None:
    exact, half, _ = made["bundles"]
    assert exact["mask_agreement"] > 0.99  # Keras and LiteRT round differently near ties
    assert half["bytes"] < exact["bytes"] / 2


def test_sizes_are_against_float32_uncompressed(made: dict[str, Any]) -> None:
    (exact, savings), (half, smaller), *_ = ratios_of(msgspec.convert(made, Comparison))
    raw = sum(piece.bytes for piece in Bundle(Path(exact.path)).manifest.pieces)
    assert savings == (raw / exact.bytes, 1.0, 1.0)
    assert savings[0] > 1
    assert smaller[0] == raw / half.bytes


def test_recipes_are_named_after_what_they_are() -> None:
    chosen = recipes(["tiny"], [0.5])
    assert list(chosen) == ["exact", "tiny", "algorithm-2-0.5"]
    assert chosen["exact"] == Recipe()
    assert chosen["algorithm-2-0.5"] == Recipe(zeros=Zeros(0.5))
