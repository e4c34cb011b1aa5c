"""Pieces are kept by hash, and verified before that."""

from pathlib import Path

import pytest

from edgeseg.bundle.bundle_file import Bundle, digest, pack
from edgeseg.bundle.manifest import Piece
from edgeseg.errors import BundleError
from edgeseg_runtime.board.pieces.piece_cache import (
    cached_path,
    is_cached,
    missing_pieces,
    store_piece,
)


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
    store_piece(piece, memoryview(opened.packed_piece(piece)))
    assert is_cached(piece.sha256)
    assert digest(cached_path(piece.sha256).read_bytes()) == piece.sha256


def test_a_piece_that_is_not_what_it_should_be_is_not_kept(piece: Piece) -> None:
    with pytest.raises(BundleError):
        store_piece(piece, pack(b"another model"))
    folder = cached_path(piece.sha256).parent
    assert list(folder.iterdir()) == []


def test_a_damaged_piece_is_removed(opened: Bundle, piece: Piece) -> None:
    store_piece(piece, opened.packed_piece(piece))
    path = cached_path(piece.sha256)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert not is_cached(piece.sha256)
    assert not path.exists()


def test_a_missing_piece_is_listed_once(opened: Bundle, piece: Piece) -> None:
    assert missing_pieces([piece, piece]) == (piece.sha256,)
    store_piece(piece, opened.packed_piece(piece))
    assert missing_pieces([piece, piece]) == ()
