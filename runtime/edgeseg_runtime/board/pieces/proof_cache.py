"""Proofs kept beside the pieces, for the engine and the machine on which they were made."""

import platform
from pathlib import Path

import msgspec

from edgeseg.bundle.manifest import Piece
from edgeseg.files.atomic import atomic_path
from edgeseg.files.cache import cache_folder
from edgeseg.inference.engine import engine_name
from edgeseg_runtime.board.pieces.proofs import Proof

_METHOD = 1
"""Rises when pieces are tried in another way, so that older proofs no longer count."""


class _Remembered(msgspec.Struct, frozen=True):
    method: int
    engine: str
    machine: str
    proof: Proof


def remembered(piece: Piece) -> Proof | None:
    """Return the proof of a file that ran here with the engine of today, if there is one.

    Raises
    ------
    EdgesegError
        If no engine here runs that format.
    """
    try:
        found = msgspec.json.decode(_path(piece.sha256).read_bytes(), type=_Remembered)
    except (OSError, msgspec.MsgspecError):
        return None
    circumstances = (found.method, found.engine, found.machine)
    today = (_METHOD, engine_name(piece.file_format), platform.machine())
    return found.proof if circumstances == today else None


def remember(piece: Piece, proof: Proof) -> None:
    """Keep a proof beside the piece.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    engine = engine_name(piece.file_format)
    kept = _Remembered(_METHOD, engine, platform.machine(), proof)
    with atomic_path(_path(piece.sha256)) as target:
        target.write_bytes(msgspec.json.encode(kept))


def _path(sha256: str) -> Path:
    return cache_folder("pieces") / f"{sha256}.proof"
