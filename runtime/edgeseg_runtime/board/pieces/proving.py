"""Makes sure of every piece of an assignment before it comes near the worker's own memory."""

from collections.abc import Callable, Iterable

from edgeseg.bundle.manifest import Piece
from edgeseg_runtime.board.pieces.piece_trial import Limits, trial_seconds, try_piece
from edgeseg_runtime.board.pieces.proof_cache import remember, remembered
from edgeseg_runtime.board.pieces.proofs import Proof, check_ports


def prove(
    pieces: Iterable[Piece], room_bytes: int, abandoned: Callable[[], bool]
) -> dict[str, Proof]:
    """Try the pieces that this board does not know, one at a time, and remember what came of it.

    A try takes little memory beside that of the piece; it is for a time when the worker holds
    nothing else.

    Parameters
    ----------
    pieces
        Kept on this board.
    room_bytes
        What a piece may take.
    abandoned
        Tells whether nobody waits for the outcome any longer.

    Returns
    -------
    dict
        The proof of each file, by its SHA-256.

    Raises
    ------
    EdgesegError
        If a piece does not run, takes more than there is, or is not what its manifest says.
    """
    proofs: dict[str, Proof] = {}
    for piece in pieces:
        if piece.sha256 not in proofs:
            proofs[piece.sha256] = remembered(piece) or _try(piece, room_bytes, abandoned)
        check_ports(piece, proofs[piece.sha256])
    return proofs


def _try(piece: Piece, room_bytes: int, abandoned: Callable[[], bool]) -> Proof:
    proof = try_piece(piece, Limits(room_bytes, trial_seconds(piece), abandoned))
    remember(piece, proof)
    return proof
