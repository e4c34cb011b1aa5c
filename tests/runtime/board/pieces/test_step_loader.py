"""Steps are loaded from the cache, and what they really take is measured."""

from pathlib import Path
from typing import Any

import pytest

from edgeseg.bundle.bundle_file import Bundle
from edgeseg.inference.measure import resident_bytes
from edgeseg_runtime.board.pieces.piece_cache import store_piece
from edgeseg_runtime.board.pieces.step_loader import StepLoader, load_steps
from edgeseg_runtime.board.pieces.steps import Step

_MIB = 2**20


@pytest.fixture
def opened(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A bundle whose pieces are in a cache of their own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    bundle = Bundle(tiny_bundle)
    for piece in bundle.manifest.pieces:
        store_piece(piece, bundle.packed_piece(piece))
    return bundle


def test_pieces_are_loaded_for_a_step_in_its_own_order(opened: Bundle) -> None:
    """Whatever order takes the least memory while they are loaded."""
    step = Step(opened.manifest.pieces)
    (interpreters,) = load_steps([step], threads=1, copies=1, warm=False)[step.name]
    for piece, interpreter in zip(step.pieces, interpreters, strict=True):
        engine: Any = interpreter
        assert [port.shape for port in engine.inputs] == [p.shape for p in piece.inputs]


def test_each_step_has_as_many_sets_as_was_said(opened: Bundle) -> None:
    steps = [Step((piece,)) for piece in opened.manifest.pieces]
    loaded = load_steps(steps, threads=1, copies=2, warm=False)
    assert {name: len(sets) for name, sets in loaded.items()} == {s.name: 2 for s in steps}
    runners = [
        runner for sets in loaded.values() for interpreters in sets for runner in interpreters
    ]
    assert len({id(runner) for runner in runners}) == 2 * len(steps)


@pytest.mark.parametrize("resident", [True, False])
def test_first_are_all_steps_or_the_first_one(opened: Bundle, *, resident: bool) -> None:
    steps = {piece.name: Step((piece,)) for piece in opened.manifest.pieces}
    loader = StepLoader(steps, resident=resident, copies=1, threads=1, base_bytes=resident_bytes())
    loaded = loader.load_first({})
    assert list(loaded.interpreters) == list(steps)[: None if resident else 1]
    assert loaded.excess_bytes < 64 * _MIB
    last = list(steps)[-1]
    assert list(loader.load_step(last)) == [last]


def test_a_process_that_takes_more_than_was_entered_shows_an_excess(opened: Bundle) -> None:
    steps = {piece.name: Step((piece,)) for piece in opened.manifest.pieces}
    base_bytes = resident_bytes() - 100 * _MIB
    loader = StepLoader(steps, resident=True, copies=1, threads=1, base_bytes=base_bytes)
    entered = sum(piece.resident_memory_bytes for piece in opened.manifest.pieces)
    assert loader.load_first({}).excess_bytes > 100 * _MIB - entered - 64 * _MIB
