"""The page of a segmented scan, in Chromium: it opens from disk, every control does its work."""

import base64
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import Opened, beyond_the_page, opened
from PIL import Image
from processes import edgeseg

from edgeseg.output.terminal import RESEARCH_NOTE
from edgeseg.text.units import format_bytes

NO_WEBGL = "HTMLCanvasElement.prototype.getContext = () => null"


@pytest.fixture(scope="module")
def shown(browser: Any, run_folder: Path) -> Iterator[Opened]:
    """The page, with the viewer ready."""
    with opened(browser, run_folder / "page.html") as page:
        page.ready()
        yield page


def _number(shown: Opened) -> str:
    return shown.text('label:has([data-axis="2"]) output')


def test_the_page_asks_for_nothing_and_complains_of_nothing(
    shown: Opened, run_folder: Path
) -> None:
    assert shown.complaints == []
    assert beyond_the_page(shown, run_folder / "page.html") == []
    assert (shown.picture().max(axis=2) > 60).mean() > 0.1
    assert RESEARCH_NOTE in shown.text("footer")


def test_it_names_no_file_and_no_folder(run_folder: Path) -> None:
    page = (run_folder / "page.html").read_text()
    packed = re.findall(r"<script type=.application/gzip. id=.(?:scan|mask).>([^<]+)<", page)
    assert len(packed) == 2
    parts = [page.encode(), *(gzip.decompress(base64.b64decode(part)) for part in packed)]
    for word in ("Featherstone", str(run_folder), str(Path.cwd())):
        assert not any(word.encode() in part for part in parts)


def test_wheel_keys_and_slider_change_the_slice(shown: Opened) -> None:
    shown.page.click('#planes [data-kind="0"]')
    shown.slide(2, 5)
    assert _number(shown) == "6 of 12"
    shown.page.locator(".screen").hover()
    assert shown.changed(lambda: shown.page.mouse.wheel(0, 120)) > 1000
    wheeled = _number(shown)
    assert wheeled in {"5 of 12", "7 of 12"}
    shown.page.focus(".screen")
    shown.slide(2, 5)
    shown.page.focus(".screen")
    assert shown.changed(lambda: shown.page.keyboard.press("ArrowUp")) > 1000
    assert _number(shown) == "7 of 12"
    shown.page.keyboard.press("PageUp")
    assert _number(shown) == "12 of 12"
    assert shown.changed(lambda: _drag(shown, 0.05)) > 1000
    assert int(_number(shown).split()[0]) < 4
    shown.page.click('#planes [data-kind="3"]')


def _drag(shown: Opened, share: float) -> None:
    box = shown.page.locator('.sliders [data-axis="2"]').bounding_box()
    y = box["y"] + box["height"] / 2
    shown.page.mouse.move(box["x"] + 0.95 * box["width"], y)
    shown.page.mouse.down()
    shown.page.mouse.move(box["x"] + share * box["width"], y, steps=4)
    shown.page.mouse.up()


def test_a_click_moves_the_sliders(shown: Opened) -> None:
    shown.page.click('#planes [data-kind="0"]')
    before = [shown.text(f'label:has([data-axis="{axis}"]) output') for axis in (0, 1)]
    box = shown.page.locator(".screen").bounding_box()
    shown.page.mouse.click(box["x"] + 0.4 * box["width"], box["y"] + 0.35 * box["height"])
    after = [shown.text(f'label:has([data-axis="{axis}"]) output') for axis in (0, 1)]
    assert all(old != new for old, new in zip(before, after, strict=True))
    shown.page.click('#planes [data-kind="3"]')


def test_labels_hide_change_colour_and_fade(shown: Opened) -> None:
    shown.page.uncheck("#crosshair")
    switch = '#labels input[type="checkbox"][data-label="1"]'
    hidden = shown.changed(lambda: shown.page.uncheck(switch))
    assert hidden > 300
    assert shown.changed(lambda: shown.page.check(switch)) == hidden
    color = '#labels input[type="color"][data-label="1"]'
    assert shown.changed(lambda: shown.page.fill(color, "#0000ff")) > 300
    assert _blue(shown) > 300
    assert shown.changed(lambda: shown.page.fill("#opacity", "0")) > 300
    assert _blue(shown) == 0
    shown.page.fill("#opacity", "50")


def _blue(shown: Opened) -> int:
    picture = shown.picture()
    return int((picture[..., 2] - picture[..., :2].max(axis=2) > 40).sum())


def test_windows_change_the_picture(shown: Opened) -> None:
    assert shown.changed(lambda: shown.page.click("#windows >> text=bone")) > 1000
    assert shown.page.input_value("#width") == "1800"
    assert shown.changed(lambda: shown.page.click("#windows >> text=model")) > 1000
    assert shown.page.get_attribute("#windows >> text=model", "aria-pressed") == "true"

    def widen() -> None:
        shown.page.fill("#width", "4000")
        shown.page.press("#width", "Tab")

    assert shown.changed(widen) > 1000


def test_the_tables_hold_the_figures_of_the_run(shown: Opened, run_folder: Path) -> None:
    found = json.loads((run_folder / "found.json").read_text())
    table = shown.text("#labels")
    for label in found["labels"]:
        assert label["name"] in table
        assert f"{label['volume_ml']:.1f}" in table
        assert f"{label['voxels']:,}" in table
        assert f"{label['mean_hu']:.0f}" in table
    (board,) = json.loads((run_folder / "run.json").read_text())["boards"]
    memory = shown.text("#memory")
    assert board["name"] in memory
    assert format_bytes(board["peak_memory_bytes"]) in memory
    assert format_bytes(board["memory_limit_bytes"]) in memory
    assert shown.page.locator("#placement td.held").count() == len(board["pieces"]) > 1
    bars = shown.page.locator("#timeline .track i")
    assert bars.count() >= 3 * len(board["pieces"])


@pytest.mark.parametrize("width", [360, 400, 2000])
def test_nothing_overflows(shown: Opened, width: int) -> None:
    assert shown.overflow(width) == 0


def test_without_webgl_the_figures_stay(browser: Any, run_folder: Path) -> None:
    with opened(browser, run_folder / "page.html", script=NO_WEBGL) as page:
        page.ready("failed")
        assert "--preview" in page.text(".screen")
        assert "kidney" in page.text("#labels")
        assert page.complaints == []


def test_pictures_have_one_plane_and_no_windows(
    browser: Any, tiny_bundle: Path, noise: Any, tmp_path: Path
) -> None:
    (tmp_path / "slices").mkdir()
    for number, size in enumerate([(64, 64), (80, 60)]):
        grey = noise.integers(0, 256, size).astype("uint8")
        Image.fromarray(grey).save(tmp_path / "slices" / f"Featherstone_{number}.png")
    path = tmp_path / "page.html"
    ran = edgeseg(
        *("segment", tiny_bundle, tmp_path / "slices", "-o", tmp_path / "masks"),
        *("--local", 1, "--html", path),
    )
    assert (ran.code, ran.err) == (0, "")
    assert "Featherstone" not in path.read_text()
    with opened(browser, path) as page:
        page.ready()
        assert page.page.locator("#windows, #planes").count() == 0
        assert page.page.locator(".sliders input").count() == 1
        page.slide(2, 0)
        assert page.changed(lambda: page.slide(2, 1)) > 1000
        assert page.complaints == []
