"""The bundle: one ``.edgeseg`` file that holds a manifest and the compressed pieces.

A bundle is a zip archive without zip compression: ``manifest.json`` first, then one
``pieces/NAME.tflite.zst`` a piece. Nothing in it is executable, names are fixed by the manifest,
every piece is checked against its SHA-256 and its stated size before it is used.
"""

import hashlib
import lzma
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
import zstandard

from edgeseg.errors import BundleError
from edgeseg.files import atomic_path

FORMAT = 1
MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 16 * 2**20
MAX_PIECE_BYTES = 2 * 2**30
ZSTD_LEVELS = (12, 19)
"""Dense float weights get no smaller beyond the first; what shrinks well is worth the second."""

_SHRINKS_WELL = 0.7
_CHUNK = 2**20
_EPOCH = (1980, 1, 1, 0, 0, 0)
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
)
"""What :mod:`zipfile` raises on archives that are none."""

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
"""A number of things, such as bytes."""

Extent: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]
"""The size of a tensor along one axis."""

PieceName: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
"""A plain word: it names an entry of the archive."""

Sha256: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""In hexadecimal; it names a file in a board's cache."""

Color: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^#[0-9A-Fa-f]{6}\Z")]
"""Red, green, blue."""


class Port(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input or output of a piece; the ports stand in the order of the TFLite file.

    ``scale`` and ``zero_point`` say what an int8 value means: ``scale * (value - zero_point)``.
    """

    tensor: str
    shape: tuple[Extent, ...]
    dtype: Literal["float32", "int8"] = "float32"
    scale: float | None = None
    zero_point: int | None = None

    def __post_init__(self) -> None:
        """Refuse int8 of no meaning; decoding turns the error into one of its own."""
        if self.dtype == "int8" and not (self.zero_point is not None and self._has_scale):
            raise ValueError(f"{self.tensor} is int8 without scale and zero point")

    @property
    def _has_scale(self) -> bool:
        return self.scale is not None and 0 < self.scale < math.inf

    @property
    def nbytes(self) -> int:
        """Size of the tensor in bytes."""
        count = 4 if self.dtype == "float32" else 1
        for extent in self.shape:
            count *= extent
        return count


class Piece(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A compiled sub-graph: what it reads and makes, and what it costs.

    ``peak_memory_bytes`` is what a fresh process needs to load and run the piece,
    ``resident_memory_bytes`` what it keeps afterwards: the weights are read from the mapped file
    once, when they are packed.
    """

    name: PieceName
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    layers: tuple[str, ...]
    sha256: Sha256
    bytes: Count
    compressed_bytes: Count
    parameters: Count
    flops: Count
    sparsity: float
    peak_memory_bytes: Count
    resident_memory_bytes: Count


class Preprocessing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a CT slice becomes the model's input.

    HU are clipped to ``window`` and scaled to 8 bit; the slice is resampled to square pixels of
    ``spacing_mm`` (coarser where the field of view needs it, and exactly the field of view where
    None) and centred on ``size`` (rows, columns); 8-bit 0..255 becomes ``input_range``.
    """

    window: tuple[float, float]
    size: tuple[Extent, Extent]
    channels: Extent = 1
    spacing_mm: Annotated[float, msgspec.Meta(gt=0)] | None = None
    input_range: tuple[float, float] = (0.0, 1.0)


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value in the mask, what it means, and the colour it is drawn in (``#rrggbb``)."""

    value: Annotated[int, msgspec.Meta(ge=1, le=255)]
    name: str
    color: Color


class Decoding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How output channels become labels.

    ``sigmoid``: channel *c* paints label ``channels[c]`` where its probability is at least one
    half; later channels paint over earlier ones, so nested regions are listed outermost first.
    ``softmax``: the most probable channel wins; ``channels`` then names the background too (0).
    """

    activation: Literal["sigmoid", "softmax"]
    channels: tuple[int, ...]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a runtime must know about a compiled model."""

    format: int
    model_name: str
    model_sha256: str
    preprocessing: Preprocessing
    labels: tuple[Label, ...]
    decoding: Decoding
    pieces: tuple[Piece, ...]
    settings: dict[str, str | int | float | bool | None]
    versions: dict[str, str]

    @property
    def input(self) -> Port:
        """The port at which the image enters."""
        return self.pieces[0].inputs[0]

    @property
    def output(self) -> Port:
        """The port at which the probabilities leave."""
        return self.pieces[-1].outputs[-1]


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
        with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
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
    with atomic_path(path) as target, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        archive.writestr(zipfile.ZipInfo(MANIFEST, _EPOCH), text)
        for piece in manifest.pieces:
            archive.writestr(zipfile.ZipInfo(_entry(piece.name), _EPOCH), packed[piece.name])


class Bundle:
    """An open bundle: its manifest, and its pieces on demand.

    Raises
    ------
    BundleError
        If the file is missing, foreign, corrupt, or of a newer format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = parse_manifest(self._read(MANIFEST, MAX_MANIFEST_BYTES), str(path))

    def packed_piece(self, piece: Piece) -> bytes:
        """Return the compressed bytes of a piece, as they travel to a board."""
        packed = self._read(_entry(piece.name), piece.compressed_bytes)
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

    def piece(self, piece: Piece) -> bytes:
        """Return a piece as TFLite bytes, verified."""
        try:
            return b"".join(unpack(self.packed_piece(piece), piece))
        except BundleError as error:
            raise BundleError(f"{self.path} is damaged: {error}; convert the model again") from None

    def _read(self, entry: str, limit: int) -> bytes:
        try:
            with zipfile.ZipFile(self.path) as archive:
                if archive.getinfo(entry).file_size > limit:
                    raise BundleError(f"{self.path}: {entry} is larger than it may be")
                return archive.read(entry)
        except FileNotFoundError:
            raise BundleError(f"{self.path} does not exist; give a .edgeseg file") from None
        except (IsADirectoryError, PermissionError) as error:
            raise BundleError(f"{self.path} can't be read ({error.strerror})") from None
        except KeyError:
            raise BundleError(f"{self.path} is no bundle: it has no {entry}") from None
        except _DAMAGE as error:
            raise BundleError(
                f"{self.path} is no bundle or is damaged ({error}); convert the model again"
            ) from None


def parse_manifest(data: bytes, origin: str) -> Manifest:
    """Read and check a manifest; ``origin`` names its source in errors.

    Raises
    ------
    BundleError
        If it is no manifest, of a newer format, or contradicts itself.
    """
    try:
        version = msgspec.json.decode(data, type=_Versioned).format
        if version > FORMAT:
            raise BundleError(
                f"{origin} has format {version}, this edgeseg reads up to {FORMAT}; upgrade edgeseg"
            )
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BundleError(f"{origin} has a manifest that can't be read ({error})") from None
    problem = contradiction(manifest)
    if problem:
        raise BundleError(f"{origin} has a manifest that contradicts itself: {problem}")
    return manifest


class _Versioned(msgspec.Struct):
    format: int


def contradiction(manifest: Manifest) -> str | None:
    """Say what makes the manifest unusable, or None: pieces must form a runnable dataflow."""
    if not manifest.pieces or len(manifest.pieces[0].inputs) != 1:
        return "the first piece must read the image alone"
    if not all(piece.inputs and piece.outputs for piece in manifest.pieces):
        return "a piece must read and make something"
    names = [piece.name for piece in manifest.pieces]
    if len(set(names)) < len(names):
        return "two pieces have the same name"
    if any(piece.bytes > MAX_PIECE_BYTES for piece in manifest.pieces):
        return "a piece is larger than 2 GiB"
    return _flow_contradiction(manifest) or _decoding_contradiction(manifest)


def _flow_contradiction(manifest: Manifest) -> str | None:
    known = {manifest.input.tensor: manifest.input}
    for piece in manifest.pieces:
        for port in piece.inputs:
            if port.tensor not in known or known[port.tensor].shape != port.shape:
                return f"{piece.name} reads {port.tensor}, which no piece before it makes"
        for port in piece.outputs:
            if port.tensor in known:
                return f"{piece.name} makes {port.tensor}, which is there already"
            known[port.tensor] = port
    return None


def _decoding_contradiction(manifest: Manifest) -> str | None:
    (low, high), (height, width) = manifest.preprocessing.window, manifest.preprocessing.size
    values = {label.value for label in manifest.labels}
    if not low < high:
        return "its window is empty"
    if manifest.input.shape != (1, height, width, manifest.preprocessing.channels):
        return "its input shape is not what preprocessing makes"
    if manifest.output.shape != (1, height, width, len(manifest.decoding.channels)):
        return "its output shape does not fit the labels"
    if not values.issuperset(set(manifest.decoding.channels) - {0}):
        return "a channel decodes to a label that has no entry"
    return None


def _entry(piece: str) -> str:
    return f"pieces/{piece}.tflite.zst"
