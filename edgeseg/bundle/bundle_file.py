"""The bundle: one ``.edgeseg`` file that holds a manifest and the compressed pieces.

A bundle is a zip archive without zip compression: ``manifest.json`` first, then one
``pieces/NAME.FORMAT.zst`` a piece, then the signature if there is one. Nothing in it is
executable, names are fixed by the manifest, every piece is checked against its SHA-256 and its
stated size before it is used.
"""

import hashlib
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import msgspec
import zstandard

from edgeseg.bundle.manifest import Manifest, Piece
from edgeseg.bundle.manifest_checks import parse_manifest
from edgeseg.errors import BundleError
from edgeseg.files.archive import DAMAGE, stored_archive
from edgeseg.files.atomic import atomic_path
from edgeseg.text.suggestions import near_path

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
MAX_MANIFEST_BYTES = 4 * 2**20
"""Of a model of five hundred pieces it has about a half; a board may have little memory."""

MAX_SIGNATURE_BYTES = 2**10
ZSTD_LEVELS = (12, 19)
"""Dense float weights get no smaller beyond the first; what shrinks well is worth the second."""

_SHRINKS_WELL = 0.7
_CHUNK = 2**20
_MAX_ZSTD_WINDOW = 2**23
"""Memory for decompression that a frame may ask for: what level 19 does."""

_EPOCH = (1980, 1, 1, 0, 0, 0)


def digest(data: bytes) -> str:
    """Return the SHA-256 of the data in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, without holding the file in memory."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()


def pack(model: bytes) -> bytes:
    """Compress one piece for the bundle."""
    quick, thorough = (zstandard.ZstdCompressor(level=level) for level in ZSTD_LEVELS)
    packed = quick.compress(model)
    return thorough.compress(model) if len(packed) < _SHRINKS_WELL * len(model) else packed


def unpack(packed: bytes | memoryview, piece: Piece) -> Iterator[bytes]:
    """Decompress one piece chunk by chunk and check it against what the manifest says of it.

    Raises
    ------
    BundleError
        If size or SHA-256 differ, after the last chunk; never more than ``piece.bytes`` come.
    """
    total, size = hashlib.sha256(), 0
    try:
        limited = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTD_WINDOW)
        with limited.stream_reader(packed) as reader:
            while chunk := reader.read(min(_CHUNK, piece.bytes + 1 - size)):
                size += len(chunk)
                if size > piece.bytes:
                    break
                total.update(chunk)
                yield chunk
    except zstandard.ZstdError as error:
        raise BundleError(f"{piece.name} can't be decompressed ({error})") from None
    if size != piece.bytes or total.hexdigest() != piece.sha256:
        raise BundleError(f"{piece.name} does not match its SHA-256")


def write_bundle(path: Path, manifest: Manifest, packed: Mapping[str, bytes]) -> None:
    """Write manifest and packed pieces (by piece name) atomically; same input, same bytes.

    Raises
    ------
    OutputError
        If the file can't be written; nothing half-written is left.
    """
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    pieces = ((_entry(piece), packed[piece.name]) for piece in manifest.pieces)
    _write(path, chain([(MANIFEST, text)], pieces))


def write_signed(path: Path, bundle: "Bundle", signature: bytes) -> None:
    """Write a bundle with a signature of its manifest; all else stays the same, byte by byte.

    Raises
    ------
    BundleError
        If the bundle is damaged.
    OutputError
        If the file can't be written; nothing half-written is left.
    """
    bundle.check()
    pieces = ((_entry(p), bundle.packed_piece(p)) for p in bundle.manifest.pieces)
    _write(path, chain([(MANIFEST, bundle.signed_bytes)], pieces, [(SIGNATURE, signature)]))


class Bundle:
    """An open bundle: its manifest, and its pieces on demand.

    Raises
    ------
    BundleError
        If the file is missing, foreign, corrupt, or of a newer format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.signed_bytes = self._read(MANIFEST, MAX_MANIFEST_BYTES)
        """The manifest as it stands in the file, with the SHA-256 of all pieces."""
        self.manifest = parse_manifest(self.signed_bytes, str(path))
        pieces = {_entry(piece) for piece in self.manifest.pieces}
        if not {MANIFEST, SIGNATURE} | pieces >= set(self._names()):
            raise BundleError(
                f"{path} is no bundle: it has entries that its manifest does not name"
            )

    @property
    def sha256(self) -> str:
        """SHA-256 of the manifest, which holds that of every piece; it identifies the bundle."""
        return digest(self.signed_bytes)

    @property
    def signature(self) -> bytes | None:
        """What signs the manifest, if anything does."""
        return self._read(SIGNATURE, MAX_SIGNATURE_BYTES) if SIGNATURE in self._names() else None

    def packed_piece(self, piece: Piece) -> bytes:
        """Return the compressed bytes of a piece, as they travel to a board."""
        packed = self._read(_entry(piece), piece.compressed_bytes)
        if len(packed) != piece.compressed_bytes:
            raise BundleError(f"{self.path}: {piece.name} is cut short; convert the model again")
        return packed

    def check(self) -> None:
        """Read every piece once: the archive's checksums tell whether the file is whole.

        Raises
        ------
        BundleError
            If a byte has changed, also one that a board with a cached piece would never ask for.
        """
        for piece in self.manifest.pieces:
            self.packed_piece(piece)

    def verify(self) -> None:
        """Unpack every piece once and compare its SHA-256; none is kept in memory.

        Raises
        ------
        BundleError
            If a piece is not what the manifest says.
        """
        for piece in self.manifest.pieces:
            for _ in unpack(self.packed_piece(piece), piece):
                pass

    def piece(self, piece: Piece) -> bytes:
        """Return the file of a piece, verified."""
        try:
            return b"".join(unpack(self.packed_piece(piece), piece))
        except BundleError as error:
            raise BundleError(f"{self.path} is damaged: {error}; convert the model again") from None

    def _names(self) -> list[str]:
        with self._archive() as archive:
            return archive.namelist()

    def _read(self, entry: str, limit: int) -> bytes:
        with self._archive() as archive:
            if entry not in archive.NameToInfo:
                raise BundleError(
                    f"{self.path} is no bundle: it has no {entry}; edgeseg convert makes one of a "
                    "model"
                )
            if archive.getinfo(entry).file_size > limit:
                raise BundleError(f"{self.path}: {entry} is larger than it may be")
            return archive.read(entry)

    @contextmanager
    def _archive(self) -> Iterator[zipfile.ZipFile]:
        try:
            with stored_archive(self.path) as archive:
                yield archive
        except FileNotFoundError:
            near = near_path(self.path)
            raise BundleError(f"{self.path} does not exist; give a .edgeseg file{near}") from None
        except (IsADirectoryError, PermissionError) as error:
            raise BundleError(
                f"{self.path} can't be read ({error.strerror}); give a .edgeseg file"
            ) from None
        except DAMAGE as error:
            raise BundleError(
                f"{self.path} is no bundle or is damaged ({error}); convert the model again"
            ) from None


def _write(path: Path, entries: Iterable[tuple[str, bytes]]) -> None:
    with atomic_path(path) as target, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)


def _entry(piece: Piece) -> str:
    return f"pieces/{piece.name}.{piece.file_format}.zst"
