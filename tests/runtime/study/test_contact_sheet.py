"""The contact sheet of a study: every volume with its picture, or with what is wrong with it."""

import re
from pathlib import Path

import pytest
from manifests import chain_manifest
from PIL import Image
from study_outcomes import label, record

from edgeseg_runtime.study.contact_sheet import LARGEST_PICTURE, write_sheet
from edgeseg_runtime.study.record import Failure, VolumeOutcome, picture_path

pytest.importorskip("jinja2")


def _page(folder: Path, *outcomes: VolumeOutcome) -> str:
    path = folder / "sheet.html"
    write_sheet(path, folder, outcomes, chain_manifest([1]))
    return path.read_text(encoding="utf-8")


def _pictured(folder: Path, volume: str) -> None:
    Image.new("RGB", (60, 20), "white").save(picture_path(folder, volume))


def test_every_volume_has_a_card(tmp_path: Path) -> None:
    for name in "ab":
        _pictured(tmp_path, name)
    first = record(label("kidney", 1, 150.0), volume="a")
    second = record(label("kidney", 1, 0.0), volume="b", warning="2 slices are missing")
    page = _page(tmp_path, first, second, Failure("c", "it is damaged; copy it again"))
    assert re.findall(r'<article class="(.*?)" id="(.)">', page) == [
        *(("card", "a"), ("card", "b"), ("card failed", "c"))
    ]
    assert page.count("data:image/jpeg;base64,") == 2
    for words in ("150.0 mL", "nothing found", "2 slices are missing", "it is damaged; copy it"):
        assert page.count(words) == 1
    assert "3 volumes" in page
    assert 'href="#c"' in page


def test_names_and_errors_are_text(tmp_path: Path) -> None:
    """Whatever a file is called, it is no part of the page."""
    name = '"><script>alert(1)</script>'
    page = _page(tmp_path, record(volume=name), Failure(f"{name}2", f"{name} is damaged"))
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 4


def test_a_picture_of_another_origin_is_left_out(tmp_path: Path) -> None:
    picture_path(tmp_path, "a").write_bytes(bytes(LARGEST_PICTURE + 1))
    page = _page(tmp_path, record(volume="a"), record(volume="b"))
    assert "<img" not in page
