"""A piece is tried in a process of its own: what it does there stays there."""

import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil
import pytest
from made_bundles import made_bundle
from made_pieces import crashing_piece, endless_piece, hungry_piece, sound_piece

from edgeseg.bundle.manifest import Bands, Piece, Strips
from edgeseg.errors import BoardError
from edgeseg.inference.engine import engine_name
from edgeseg_runtime.board.pieces.piece_cache import cached_path, store_piece
from edgeseg_runtime.board.pieces.piece_trial import (
    FIRST_SECONDS,
    LONGEST_SECONDS,
    CrashingPieceError,
    Limits,
    trial_seconds,
    try_piece,
)
from edgeseg_runtime.board.pieces.proof_cache import remembered
from edgeseg_runtime.board.pieces.proofs import Proof, as_proven, check_ports
from edgeseg_runtime.board.pieces.proving import prove

_MIB = 2**20


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    engine_name()


def _kept(tmp_path: Path, model: bytes) -> Piece:
    bundle = made_bundle(tmp_path / "made.edgeseg", [model])
    (piece,) = bundle.manifest.pieces
    store_piece(piece, bundle.packed_piece(piece))
    return piece


def _limits(room: int = 64 * _MIB, seconds: float = 20.0, *, abandoned: bool = False) -> Limits:
    return Limits(room, seconds, lambda: abandoned)


def _tried_by_a_fresh_process(piece: Piece) -> Proof:
    """Try a piece as a worker does that was just started.

    What is measured is by how much a process grows: one that ran other tests has memory left over
    that a piece can take without growing.
    """
    code = (
        "import sys, msgspec\n"
        "from edgeseg.bundle.manifest import Piece\n"
        "from edgeseg.inference.engine import engine_name\n"
        "from edgeseg_runtime.board.pieces.piece_trial import Limits, try_piece\n"
        "engine_name()\n"
        "piece = msgspec.json.decode(sys.argv[1], type=Piece)\n"
        f"proof = try_piece(piece, Limits({64 * _MIB}, 20.0, lambda: False))\n"
        "sys.stdout.buffer.write(msgspec.json.encode(proof))\n"
    )
    command = [sys.executable, "-c", code, msgspec.json.encode(piece).decode()]
    tried = subprocess.run(command, capture_output=True, check=True)
    return msgspec.json.decode(tried.stdout, type=Proof)


def _descriptors() -> set[str]:
    return {link.name for link in Path("/proc/self/fd").iterdir()}


def test_a_sound_piece_is_proven_with_what_it_took(tmp_path: Path) -> None:
    piece = _kept(tmp_path, sound_piece())
    proof = try_piece(piece, _limits())
    assert 0 < proof.resident_memory_bytes <= proof.peak_memory_bytes < 4 * _MIB
    check_ports(piece, proof)
    hungry = _kept(tmp_path, hungry_piece(24))
    proof = _tried_by_a_fresh_process(hungry)
    assert 24 * _MIB <= proof.peak_memory_bytes < 30 * _MIB
    assert as_proven(hungry, {hungry.sha256: proof}).peak_memory_bytes == proof.peak_memory_bytes


def test_a_piece_that_crashes_ends_its_own_process(tmp_path: Path) -> None:
    piece = _kept(tmp_path, crashing_piece())
    with pytest.raises(CrashingPieceError, match="piece_00 ends its process with signal 11") as got:
        try_piece(piece, _limits())
    assert got.value.piece == "piece_00"


def test_a_piece_that_never_ends_is_ended(tmp_path: Path) -> None:
    piece = _kept(tmp_path, endless_piece())
    start = time.monotonic()
    with pytest.raises(CrashingPieceError, match="piece_00 has not run once in 1 s"):
        try_piece(piece, _limits(seconds=0.6))
    assert time.monotonic() - start < 20


def test_a_piece_that_nobody_waits_for_is_ended(tmp_path: Path) -> None:
    piece = _kept(tmp_path, endless_piece())
    with pytest.raises(BoardError, match="no longer wanted"):
        try_piece(piece, _limits(abandoned=True))


def test_a_piece_that_asks_for_more_than_there_is_does_not_get_it(tmp_path: Path) -> None:
    """Within a limit LiteRT only says that something failed: so the figures are said."""
    piece = _kept(tmp_path, hungry_piece(200))
    with pytest.raises(BoardError, match=r"64\.0 MiB were free for it, its manifest says 6\.0 MiB"):
        try_piece(piece, _limits())


def test_a_piece_that_litert_refuses_is_no_crash(tmp_path: Path) -> None:
    piece = _kept(tmp_path, b"no model")
    with pytest.raises(BoardError, match="piece_00: LiteRT refuses the model") as got:
        try_piece(piece, _limits())
    assert not isinstance(got.value, CrashingPieceError)


def test_nothing_of_a_try_is_left(tmp_path: Path) -> None:
    piece = _kept(tmp_path, crashing_piece())
    before, children = _descriptors(), psutil.Process().children()
    for _ in range(3):
        with pytest.raises(CrashingPieceError):
            try_piece(piece, _limits())
    assert _descriptors() == before
    assert set(psutil.Process().children()) <= set(children)


def test_a_proof_is_remembered_until_the_engine_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piece = _kept(tmp_path, sound_piece())
    assert remembered(piece) is None
    proofs = prove([piece], 64 * _MIB, lambda: False)
    assert remembered(piece) == proofs[piece.sha256]
    cached_path(piece.sha256).write_bytes(b"what is tried no more")
    assert prove([piece], 64 * _MIB, lambda: False) == proofs
    monkeypatch.setattr(
        "edgeseg_runtime.board.pieces.proof_cache.engine_name", lambda _: "ai-edge-litert 99"
    )
    assert remembered(piece) is None


@pytest.mark.parametrize("what", ["shape", "dtype", "count"])
def test_a_file_of_other_arrays_than_is_said_is_refused(tmp_path: Path, what: str) -> None:
    """What is in flight is counted from what is said."""
    piece = _kept(tmp_path, sound_piece())
    (port,) = piece.outputs
    outputs = {
        "shape": (msgspec.structs.replace(port, shape=(1, 1, 1, 1)),),
        "dtype": (msgspec.structs.replace(port, dtype="int8", scale=1.0, zero_point=0),),
        "count": (port, msgspec.structs.replace(port, tensor="other")),
    }
    with pytest.raises(BoardError, match="other arrays than its manifest says"):
        prove([msgspec.structs.replace(piece, outputs=outputs[what])], 64 * _MIB, lambda: False)


def test_the_file_of_a_piece_in_bands_has_the_rows_of_one(tmp_path: Path) -> None:
    piece = _kept(tmp_path, sound_piece())
    tall = tuple(
        msgspec.structs.replace(port, shape=(1, 28, 16, 1))
        for port in (*piece.inputs, *piece.outputs)
    )
    strips = (Strips(16, (0, 12)),)
    banded = msgspec.structs.replace(
        piece, inputs=tall[:1], outputs=tall[1:], bands=Bands(strips, strips)
    )
    prove([banded], 64 * _MIB, lambda: False)


def test_the_time_for_a_try_grows_with_its_work(tmp_path: Path) -> None:
    piece = _kept(tmp_path, sound_piece())
    work = msgspec.structs.replace(piece, flops=10**10)
    assert FIRST_SECONDS <= trial_seconds(piece) < trial_seconds(work)
    assert trial_seconds(msgspec.structs.replace(piece, flops=2**62)) == LONGEST_SECONDS
