"""The README's pictures come out of the commands that it shows, small enough to keep."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from readme_pictures import CHROMIUM, MOST_BYTES, shrink
from scans import names, write_ct

SCRIPT = Path(__file__).parents[2] / "examples" / "readme_pictures.py"
BROWSER = CHROMIUM.exists() and importlib.util.find_spec("playwright") is not None


@pytest.mark.timeout(600)
def test_pictures_are_made(tiny_folder: Path, tmp_path: Path) -> None:
    ct = write_ct(tmp_path / "ct.nii.gz", (48, 56, 8))
    words = ["-o", tmp_path / "docs", "--model", tiny_folder / "tiny.keras", "--ct", ct]
    ran = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, words)], capture_output=True, check=False, text=True
    )
    assert ran.returncode == 0, ran.stderr
    made = names(tmp_path / "docs")
    assert made == {"plan.png", "preview.png"} | ({"page.png", "pieces.png"} if BROWSER else set())
    for name in made:
        with Image.open(tmp_path / "docs" / name) as picture:
            assert len(set(picture.convert("L").resize((64, 64)).tobytes())) > 4
        assert (tmp_path / "docs" / name).stat().st_size <= MOST_BYTES


def test_a_small_region_keeps_its_colour(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 1300, 1), np.uint8)
    picture = np.repeat(noise, 3, axis=2)
    picture[100:140, 200:240] = (40, 160, 140)
    Image.fromarray(picture).save(tmp_path / "large.png")
    shrink(tmp_path / "large.png", tmp_path / "small.png")
    assert (tmp_path / "small.png").stat().st_size <= MOST_BYTES
    with Image.open(tmp_path / "small.png") as small:
        place = (round(220 * small.width / 1300), round(120 * small.width / 1300))
        red, green, _ = small.convert("RGB").getpixel(place)
    assert green - red > 60


def test_the_same_picture_gives_the_same_bytes(tmp_path: Path) -> None:
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(tmp_path / "a.png")
    for name in ("b.png", "c.png"):
        shrink(tmp_path / "a.png", tmp_path / name)
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "c.png").read_bytes()
