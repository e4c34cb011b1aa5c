"""Pieces are kept by hash, verified, and lent out as crews of interpreters."""

from pathlib import Path

import pytest

from edgeseg.bundle.bundle_file import Bundle, digest, pack
from edgeseg.bundle.manifest import Piece
from edgeseg.errors import BundleError
from edgeseg_runtime.board.pieces.pool import Pool, cached_piece, is_cached, load, missing, store
from edgeseg_runtime.board.pieces.steps import Step


@pytest.fixture
def opened(uncut_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A bundle, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return Bundle(uncut_bundle)


@pytest.fixture
def piece(opened: Bundle) -> Piece:
    return opened.manifest.pieces[0]


def test_a_piece_is_kept_as_it_was_compiled(opened: Bundle, piece: Piece) -> None:
    assert not is_cached(piece.sha256)
    store(piece, memoryview(opened.packed_piece(piece)))
    assert is_cached(piece.sha256)
    assert digest(cached_piece(piece.sha256).read_bytes()) == piece.sha256


def test_a_piece_that_is_not_what_it_should_be_is_not_kept(piece: Piece) -> None:
    with pytest.raises(BundleError):
        store(piece, pack(b"another model"))
    folder = cached_piece(piece.sha256).parent
    assert list(folder.iterdir()) == []


def test_a_damaged_piece_is_removed(opened: Bundle, piece: Piece) -> None:
    store(piece, opened.packed_piece(piece))
    path = cached_piece(piece.sha256)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert not is_cached(piece.sha256)
    assert not path.exists()


def test_crews_are_lent_and_given_back(opened: Bundle, piece: Piece) -> None:
    store(piece, opened.packed_piece(piece))
    pool = Pool()
    assert pool.idle == frozenset()
    pool.add(load([Step((piece,))], threads=1, copies=2))
    first, second = pool.borrow(piece.name), pool.borrow(piece.name)
    assert first is not second
    assert pool.idle == frozenset()
    pool.give_back(piece.name, first)
    assert pool.idle == {piece.name}
    assert pool.borrow(piece.name) is first
    pool.give_back(piece.name, first)
    pool.clear()
    assert pool.idle == frozenset()


def test_what_is_missing_is_listed_once(opened: Bundle, piece: Piece) -> None:
    assert missing([piece, piece]) == [piece.sha256]
    store(piece, opened.packed_piece(piece))
    assert missing([piece, piece]) == []


def test_pieces_are_loaded_for_a_step_in_its_own_order(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever order takes the least memory while they are loaded."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    opened = Bundle(tiny_bundle)
    for piece in opened.manifest.pieces:
        store(piece, opened.packed_piece(piece))
    step = Step(opened.manifest.pieces)
    (crew,) = load([step], threads=1, copies=1, ready=False)[step.name]
    for piece, interpreter in zip(step.pieces, crew, strict=True):
        assert [port.shape for port in interpreter.inputs] == [p.shape for p in piece.inputs]
