"""The page of a conversion, in Chromium: the U, its cuts, and every piece's figures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pages import Opened, beyond_the_page, opened
from processes import edgeseg, one_line

from edgeseg.text.units import format_bytes
from edgeseg_converters.reports.conversion import ConversionReport


@pytest.fixture(scope="module")
def made(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``page.html`` and ``report.json`` of the tiny network in three pieces."""
    folder = tmp_path_factory.mktemp("converted")
    ran = edgeseg(
        *("convert", tiny_folder / "tiny.keras", "-o", folder / "three.edgeseg"),
        *("--max-partitions", 3, "--html", folder / "page.html"),
        *("--report", folder / "report.json"),
        timeout=240,
    )
    assert ran.code == 0, ran
    return folder


@pytest.fixture(scope="module")
def shown(browser: Any, made: Path) -> Iterator[Opened]:
    """The page."""
    with opened(browser, made / "page.html") as page:
        yield page


@pytest.fixture(scope="module")
def report(made: Path) -> ConversionReport:
    """What the same conversion reported."""
    return msgspec.json.decode((made / "report.json").read_bytes(), type=ConversionReport)


def test_the_page_asks_for_nothing_and_complains_of_nothing(shown: Opened, made: Path) -> None:
    assert shown.complaints == []
    assert beyond_the_page(shown, made / "page.html") == []
    assert str(made) not in (made / "page.html").read_text()


def test_every_layer_is_in_the_u_and_every_cut_says_its_bytes(
    shown: Opened, report: ConversionReport
) -> None:
    titles = shown.page.locator("#network rect title").all_text_contents()
    assert len(titles) >= 2 * 3
    assert titles[0].startswith(report.layers[0].name)
    fills = shown.page.locator("#network rect").evaluate_all(
        "all => all.map((one) => one.getAttribute('fill'))"
    )
    assert len(set(fills)) == len(report.pieces) == 3
    sizes = shown.page.locator("#network .size").all_text_contents()
    assert len(sizes) == 2
    # What leaves the first piece is all that is alive at the first cut.
    assert sizes[0] == format_bytes(report.pieces[0].crossing_bytes)


def test_the_table_holds_the_figures_of_the_report(shown: Opened, report: ConversionReport) -> None:
    for number, piece in enumerate(report.pieces):
        row = shown.text(f"#pieces tbody tr:nth-child({number + 1})")
        assert piece.name in row
        assert f"{piece.steady_ms:.1f} ms" in row
        for count in (piece.peak_memory_bytes, piece.compressed_bytes, piece.crossing_bytes):
            assert format_bytes(count) in row
    assert "Bit-identical" in shown.text("#check")
    assert shown.page.locator("#pieces .gauge .bar").count() == 4 * len(report.pieces)


@pytest.mark.parametrize("width", [360, 400, 2000])
def test_nothing_overflows(shown: Opened, width: int) -> None:
    assert shown.overflow(width) == 0


def test_a_page_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    ran = edgeseg("convert", "none.keras", "-o", "x.edgeseg", "--html", tmp_path / "no" / "a.html")
    one_line(ran, 1, "can't write", "create its folder first")
