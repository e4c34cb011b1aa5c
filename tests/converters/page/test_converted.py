"""The page of a conversion tells of a search too, and of one that chose nothing."""

from pathlib import Path

import msgspec

from edgeseg_converters.compare.comparison import ComparedModel, Comparison, RegionFigures
from edgeseg_converters.compress.recipe import Recipe
from edgeseg_converters.page.converted import write_conversion_page
from edgeseg_converters.partition import Alternative
from edgeseg_converters.reports.conversion import ConversionReport, PieceReport
from edgeseg_converters.search.choose import Verdict
from edgeseg_converters.search.report import SearchReport, TriedRecipe
from edgeseg_converters.tflite.check import Check

_PIECE = PieceReport(
    name="piece_00",
    inputs=("image",),
    outputs=("map",),
    precision="int8",
    parameters=25,
    parameters_before=100,
    flops=1000,
    flops_before=4000,
    bytes=200,
    compressed_bytes=100,
    crossing_bytes=0,
    sparsity=0.5,
    first_ms=2.0,
    steady_ms=1.0,
    peak_memory_bytes=2**20,
    dice_loss=0.0123,
    quantization_dice_loss=0.001,
)
_REPORT = ConversionReport(
    pieces=(_PIECE,),
    crossing_bytes=0,
    check=Check(0.01, 4, identical=False, mask_agreement=0.999),
    bundle_bytes=100,
    model="<net>",
    settings={"strategy": "auto", "recipe": '{"quantize":"int8"}'},
    versions={"edgeseg": "1"},
    notes=("piece_00 is large",),
    strategies=(
        Alternative(
            strategy="auto", chosen=True, pieces=1, slices_per_second=2.0, latency_seconds=0.5
        ),
        Alternative(strategy="layer", reason="fits nowhere"),
    ),
)


def _search(chosen: str | None) -> SearchReport:
    regions = (RegionFigures("tumor", 0.6, -0.02, None, {"a": 0.6}, 0, 0),)
    model, bundle = (
        ComparedModel(name, f"/home/{name}", 100, regions) for name in ("net.keras", "tiny")
    )
    tried = TriedRecipe("tiny", Recipe(), 0.02, Verdict("beyond"), ())
    found = Comparison(model, (bundle,), ("a",), 3, ())
    return SearchReport(0.005, "size", chosen, (tried,), found, ("all is in /home/x",))


def test_compression_strategies_and_the_check_are_told(tmp_path: Path) -> None:
    write_conversion_page(tmp_path / "page.html", _REPORT)
    page = (tmp_path / "page.html").read_text()
    for word in (
        "&lt;net&gt;",
        "4.0 times smaller",
        "100 to 25",
        "4.0 k to 1.0 k",
        "0.0123",
        "Dice lost:",
    ):
        assert word in page
    for word in ("99.90 % of pixels agree", "auto (kept)", "fits nowhere", "piece_00 is large"):
        assert word in page
    assert 'id="network"' not in page
    assert 'id="search"' not in page


def test_a_search_is_told_without_its_folder(tmp_path: Path) -> None:
    write_conversion_page(tmp_path / "page.html", _REPORT, _search("tiny"))
    page = (tmp_path / "page.html").read_text()
    for word in ("Recipes that were tried", "beyond", "0.0200", "3 slices of 1 patient"):
        assert word in page
    assert "/home" not in page


def test_a_search_that_chose_nothing_says_so(tmp_path: Path) -> None:
    write_conversion_page(tmp_path / "page.html", None, _search(None))
    page = (tmp_path / "page.html").read_text()
    assert "No recipe stays within a Dice drop of 0.005" in page
    assert 'id="pieces"' not in page


def test_a_network_of_one_piece_has_nothing_to_divide_by(tmp_path: Path) -> None:
    """Figures of zero make no bar, and no error."""
    still = msgspec.structs.replace(_PIECE, parameters=0, parameters_before=0, steady_ms=0.0)
    write_conversion_page(tmp_path / "page.html", msgspec.structs.replace(_REPORT, pieces=(still,)))
    assert "0.0 ms" in (tmp_path / "page.html").read_text()
