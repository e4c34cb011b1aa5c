"""Auto keeps the best of the strategies that apply, and says what became of each."""

from functools import cache

import pytest
import zoo

from edgeseg.boards.boards_file import WORKER_BASE, BoardEntry, BoardsFile
from edgeseg.errors import BudgetError, PlacementError
from edgeseg.text.units import MIB
from edgeseg_converters.keras.graph_reader import read_network
from edgeseg_converters.keras.quiet import import_keras
from edgeseg_converters.network import Network
from edgeseg_converters.partition import Cut, PartitionRequest, strategies
from edgeseg_converters.partition.auto import auto
from edgeseg_converters.partition.estimate import crossing_bytes, forecast

pytestmark = pytest.mark.tensorflow

NAMES = ["adaptive", "block", "layer", "optimal", "data", "channel"]


@cache
def network_of(family: str = "plain") -> Network:
    return read_network(zoo.FAMILIES[family](import_keras(), 64, 32))


def boards(*mib: float) -> BoardsFile:
    """Boards with room for so much beside the worker itself."""
    return BoardsFile(
        tuple(
            BoardEntry(name=f"b{number}", memory=f"{WORKER_BASE + round(size * MIB)}", up="1Gbit")
            for number, size in enumerate(mib)
        )
    )


@pytest.mark.parametrize("room", [(100, 100), (12, 10), (9.5, 9.5, 9.5)])
@pytest.mark.parametrize("family", ["plain", "residual"])
def test_auto_is_no_worse_than_any_row(family: str, room: tuple[float, ...]) -> None:
    request = PartitionRequest(boards=boards(*room))
    cut = strategies()["auto"].cut(network_of(family), request)
    assert [row.strategy for row in cut.comparison] == NAMES
    (kept,) = [row for row in cut.comparison if row.chosen]
    rates = [row.slices_per_second or 0.0 for row in cut.comparison]
    assert kept.slices_per_second == pytest.approx(max(rates), rel=1e-8)
    assert kept.pieces == len(cut.pieces)
    assert kept.crossing_bytes == crossing_bytes(cut.pieces, "none")
    placed = forecast(cut.pieces, request)
    assert placed is not None
    assert placed.prediction.rate == kept.slices_per_second
    assert all((row.reason is None) == (row.pieces is not None) for row in cut.comparison)


def test_of_equal_strategies_the_one_of_fewest_pieces_is_kept() -> None:
    cut = strategies()["auto"].cut(network_of(), PartitionRequest(boards=boards(100, 100)))
    assert len(cut.pieces) == 1
    assert any(note.startswith("optimal is kept") for note in cut.notes)


def test_what_refuses_is_a_reason_and_no_end() -> None:
    def refuses(network: Network, request: PartitionRequest) -> Cut:
        raise BudgetError("this one never does")

    candidates = {"refuses": refuses, "block": strategies()["block"].cut}
    cut = auto(network_of(), PartitionRequest(), candidates)
    assert [row.reason for row in cut.comparison] == ["this one never does", None]
    assert cut.comparison[1].chosen
    assert cut.notes[0] == "refuses is out: this one never does"


def test_nothing_that_fits_ends_in_what_is_lacking() -> None:
    with pytest.raises(PlacementError, match=r"no strategy suits: \w+ needs .* which has"):
        strategies()["auto"].cut(network_of(), PartitionRequest(boards=boards(1, 1)))
