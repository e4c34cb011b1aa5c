"""Pieces are kept by hash, verified, and lent out one interpreter at a time."""

import threading
from pathlib import Path

import numpy as np
import pytest

from edgeseg.bundle import Bundle, digest, pack
from edgeseg.errors import BundleError
from edgeseg.interpreter import Interpreter
from edgeseg.manifest import Piece
from edgeseg_runtime.pool import Computed, Pool, cached_piece, is_cached, store


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


def test_interpreters_are_lent_and_given_back(opened: Bundle, piece: Piece) -> None:
    store(piece, opened.packed_piece(piece))
    pool = Pool({piece.inputs[0].tensor: piece.inputs[0]})
    assert pool.idle == frozenset()
    pool.load(piece, threads=1, copies=2)
    first, second = pool.borrow(piece.name), pool.borrow(piece.name)
    assert first is not second
    assert pool.idle == frozenset()
    pool.give_back(piece.name, first)
    assert pool.idle == {piece.name}
    assert pool.borrow(piece.name) is first


def test_two_threads_compute_what_one_does(opened: Bundle, piece: Piece) -> None:
    store(piece, opened.packed_piece(piece))
    image = np.random.default_rng(0).random(piece.inputs[0].shape, np.float32)
    (expected,) = Interpreter(opened.piece(piece)).run([image])
    pool = Pool({piece.inputs[0].tensor: piece.inputs[0]})
    pool.load(piece, threads=1, copies=2)
    made: list[Computed] = []

    def work() -> None:
        interpreter = pool.borrow(piece.name)
        inputs = {piece.inputs[0].tensor: image}
        made.extend(pool.compute(interpreter, piece, inputs) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 40
    for computed in made:
        assert computed.seconds > 0
        np.testing.assert_array_equal(computed.outputs[piece.outputs[0].tensor], expected)
