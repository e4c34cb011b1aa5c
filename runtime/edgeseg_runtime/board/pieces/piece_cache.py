"""The pieces that a board keeps on its disk, by the SHA-256 of their TFLite files."""

from collections.abc import Iterable
from pathlib import Path

from edgeseg.bundle.bundle_file import digest_file, unpack
from edgeseg.bundle.manifest import Piece
from edgeseg.files.atomic import atomic_path
from edgeseg.files.cache import cache_folder


def cached_path(sha256: str) -> Path:
    """Return where the TFLite file of that hash is kept, whether or not it is there."""
    return cache_folder("pieces") / f"{sha256}.tflite"


def is_cached(sha256: str) -> bool:
    """Tell whether a piece is kept here and undamaged; a damaged file is removed."""
    path = cached_path(sha256)
    if not path.exists():
        return False
    if digest_file(path) == sha256:
        return True
    path.unlink(missing_ok=True)
    return False


def missing_pieces(pieces: Iterable[Piece]) -> tuple[str, ...]:
    """Return the hashes of the pieces that are not kept here, each once, in their order."""
    hashes = dict.fromkeys(piece.sha256 for piece in pieces)
    return tuple(sha256 for sha256 in hashes if not is_cached(sha256))


def store_piece(piece: Piece, packed: bytes | memoryview) -> None:
    """Unpack a piece, verify its size and hash, and keep it.

    Parameters
    ----------
    piece
        What the assignment says of it.
    packed
        Its TFLite file as a zstd frame.

    Raises
    ------
    BundleError
        If the content is not what the assignment says.
    OutputError
        If it can't be written.
    """
    with atomic_path(cached_path(piece.sha256)) as target, target.open("wb") as file:
        file.writelines(unpack(packed, piece))
