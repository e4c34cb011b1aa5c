"""The table of strategies: what a row must say, and a strategy of another package."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from outside_packages import install_package
from processes import edgeseg, one_line

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import EdgesegError, UsageError
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.model_file import load_model
from edgeseg_converters.partition import PartitionRequest, Strategy, strategies
from edgeseg_converters.partition.registry import BUILT_IN

MADE_UP = '''
"""A made-up strategy: two pieces with as many layers each, whatever these cost."""

from edgeseg_converters.fusion import fused_groups
from edgeseg_converters.partition import Cut, Strategy
from edgeseg_converters.partition.request import pieces_of


def halves(network, request):
    groups = fused_groups(network.graph)
    middle = len(groups) // request.parts
    pieces = pieces_of(network.graph, (groups[:middle], groups[middle:]))
    return Cut(network, pieces, notes=("cut in the middle",))


HALVES = Strategy(
    name="halves",
    cut=halves,
    divides=True,
    places=False,
    tolerant=False,
    help="cuts in the middle, for the sake of this test",
)
'''


@pytest.fixture
def model(tiny_folder: Path) -> Path:
    return tiny_folder / "tiny.keras"


@pytest.fixture
def no_cache() -> Iterator[None]:
    strategies.cache_clear()
    yield
    strategies.cache_clear()


def _install(folder: Path, patch: pytest.MonkeyPatch, source: str = MADE_UP) -> None:
    folder.mkdir()
    entries = {"edgeseg.partition_strategies": {"halves": "made_up_strategy:HALVES"}}
    patch.syspath_prepend(install_package(folder, "made_up_strategy", source, entries))
    patch.setenv("PYTHONPATH", str(folder), prepend=":")


def test_a_strategy_of_another_package_works_at_the_command_line(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path / "package", monkeypatch)
    text = " ".join(edgeseg("convert", "--help").out.split())
    assert "halves cuts in the middle, for the sake of this test." in text
    assert "Tiles or branches for" in text
    words = ("convert", model, "-o", tmp_path / "m.edgeseg", "--strategy", "halves", "--json")
    dry = json.loads(edgeseg(*words, "--dry-run").out)
    assert dry["notes"] == ["cut in the middle"]
    ran = edgeseg(*words)
    assert ran.code == 0, ran.err
    report = json.loads(ran.out)
    assert report["settings"]["strategy"] == "halves"
    assert report["check"]["identical"]
    names = [piece["name"] for piece in report["pieces"]]
    assert names == [piece["name"] for piece in dry["pieces"]] == ["piece_00", "piece_01"]
    assert len(Bundle(tmp_path / "m.edgeseg").manifest.pieces) == 2
    one_line(edgeseg(*words, "--tolerance", "1e-5"), 2, "--tolerance tells --strategy halves noth")
    one_line(edgeseg(*words[:-3], "--ways", "2"), 2, "choose one of auto, channel, data, halves")


@pytest.mark.usefixtures("no_cache")
def test_auto_tries_it_too(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path / "package", monkeypatch)
    monkeypatch.delitem(sys.modules, "made_up_strategy", raising=False)
    network = read_network(load_model(model))
    cut = strategies()["auto"].cut(network, PartitionRequest())
    assert [row.strategy for row in cut.comparison if row.reason is None][-1] == "halves"


@pytest.mark.usefixtures("no_cache")
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import missing_library", "of the package made_up_strategy can't be loaded"),
        ("HALVES = 3", "is no Strategy; mend or remove the package"),
        (MADE_UP.replace('name="halves"', 'name="data"'), "2 partition strategies are called 'da"),
        (MADE_UP.replace("    divides=True,\n", ""), "missing 1 required keyword-only argument"),
        (MADE_UP.replace('name="halves"', 'name=""'), "needs a name and a line of help"),
    ],
)
def test_a_package_that_forgets_something_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    _install(tmp_path / "package", monkeypatch, source)
    monkeypatch.delitem(sys.modules, "made_up_strategy", raising=False)
    with pytest.raises(EdgesegError, match=re.escape(message)):
        strategies()


@pytest.mark.parametrize("row", BUILT_IN, ids=lambda row: row.name)
def test_every_row_can_be_imported_and_cuts(row: Strategy, model: Path) -> None:
    network = read_network(load_model(model))
    if row.name == "channel":
        with pytest.raises(UsageError, match="no two convolutions of this model can be divided"):
            row.cut(network, PartitionRequest())
    else:
        assert row.cut(network, PartitionRequest()).pieces


def test_a_row_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="must be tolerant"):
        Strategy(
            name="a",
            cut=BUILT_IN[0].cut,
            divides=False,
            places=False,
            tolerant=False,
            rewrites=True,
            help="does nothing",
        )
