"""Pieces and links are measured on real workers, within their memory."""

import time
from pathlib import Path

import pytest
from limits import MARGIN, memory_need
from manifests import KIB, chain_manifest
from processes import Workers

from edgeseg.boards.boards_file import Board, BoardEntry, LinkEntry
from edgeseg.bundle.bundle_file import Bundle
from edgeseg.errors import BoardError
from edgeseg_runtime import Segmenter
from edgeseg_runtime.coordination.profiling_session import ProfilingSession
from edgeseg_runtime.profiling.profile import Profiler, batches

_MIB = 2**20


def _sizes(limit: int) -> list[list[str]]:
    manifest = chain_manifest([1] * 4, [100 * KIB, 100 * KIB, 300 * KIB, 100 * KIB])
    board = Board("a", limit, base_memory=10 * KIB)
    return [[piece.name[-1] for piece in batch] for batch in batches(manifest, board)]


def test_pieces_that_fit_together_are_measured_together() -> None:
    assert _sizes(10_000 * KIB) == [["0", "1", "2", "3"]]
    assert _sizes(320 * KIB) == [["0", "1", "2"], ["3"]]
    assert _sizes(120 * KIB) == [["0"], ["1"], ["3"]]
    assert _sizes(20 * KIB) == []


@pytest.fixture
def cramped(workers: Workers, base_memory: int, tiny_bundle: Path) -> BoardEntry:
    """A worker with two cores that holds any one piece, and not all together."""
    manifest = Bundle(tiny_bundle).manifest
    board = Board("any", 0, base_memory)
    needs = [memory_need(manifest, board, frozenset({p.name}), 1) for p in manifest.pieces]
    worker = workers.start(limit=max(needs) + 2 * MARGIN, cores=2)
    return BoardEntry("cramped", worker.endpoint)


def test_every_piece_is_measured_on_every_board(
    workers: Workers, cramped: BoardEntry, tiny_bundle: Path
) -> None:
    bundle = Bundle(tiny_bundle)
    roomy = BoardEntry("roomy", workers.start().endpoint)
    steps: list[int] = []
    profiler = Profiler(bundle, [roomy, cramped], LinkEntry(), rounds=2)
    start = time.perf_counter()
    all_figures = profiler.measure(lambda: steps.append(1))
    took = time.perf_counter() - start
    assert len(steps) == profiler.steps
    assert [figures.board.name for figures in all_figures] == ["roomy", "cramped"]
    assert len(list(batches(bundle.manifest, all_figures[0].board))) == 1
    assert len(list(batches(bundle.manifest, all_figures[1].board))) > 1
    for figures in all_figures:
        assert list(figures.seconds) == [piece.name for piece in bundle.manifest.pieces]
        assert all(0 < seconds < took for seconds in figures.seconds.values())
        assert 1e7 < figures.link.up < 1e12
        assert 1e7 < figures.link.down < 1e12
        assert 0 < figures.link.latency < 0.1
        assert 1e-12 < figures.link.toll < 1e-6


def test_a_board_keeps_its_promise_while_it_is_measured(
    cramped: BoardEntry, tiny_bundle: Path
) -> None:
    bundle = Bundle(tiny_bundle)
    Profiler(bundle, [cramped], LinkEntry(), rounds=2).measure(lambda: None)
    time.sleep(0.3)  # until the worker has let the profiler go
    session = ProfilingSession(bundle, [cramped])
    (pong,) = session.pongs().values()
    (board,) = session.boards
    session.close()
    assert pong.peak_memory_bytes <= board.memory_limit


def test_a_board_too_small_for_a_piece_has_no_figure_for_it(
    workers: Workers, base_memory: int, tiny_bundle: Path
) -> None:
    entry = BoardEntry("crumb", workers.start(limit=base_memory + _MIB).endpoint)
    steps: list[int] = []
    profiler = Profiler(Bundle(tiny_bundle), [entry], LinkEntry(), rounds=1)
    (figures,) = profiler.measure(lambda: steps.append(1))
    assert figures.seconds == {}
    assert len(steps) == profiler.steps


def test_a_board_that_is_not_there_is_said(tiny_bundle: Path) -> None:
    entry = BoardEntry("ghost", "tcp://127.0.0.1:9")
    with pytest.raises(BoardError, match="no worker answers"):
        Profiler(Bundle(tiny_bundle), [entry], LinkEntry(), rounds=1).measure(lambda: None)


def test_planning_rests_on_what_was_measured(workers: Workers, tiny_bundle: Path) -> None:
    entry = BoardEntry("a", workers.start().endpoint)
    bundle = Bundle(tiny_bundle)
    pieces = bundle.manifest.pieces
    measured = {piece.sha256[:16]: 1000.0 for piece in pieces}
    measured_entry = BoardEntry("a", entry.endpoint, piece_ms=measured)
    with Segmenter(tiny_bundle, [measured_entry]) as segmenter:
        problem, plan = segmenter.planned
    assert plan.prediction.rate == pytest.approx(1 / len(pieces), rel=1e-3)
    assert not problem.estimated
