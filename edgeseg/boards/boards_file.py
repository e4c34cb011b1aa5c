"""The boards file: where workers listen, and what their machines and links are like."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec

from edgeseg.bundle.manifest import Piece
from edgeseg.codecs.names import CodecName
from edgeseg.codecs.pace import CodecPace, expected_paces
from edgeseg.errors import UsageError
from edgeseg.text.suggestions import near_key, near_path
from edgeseg.text.units import MIB, parse_bytes, parse_rate

WORKER_BASE = 82 * MIB
"""About how many bytes a worker takes before any piece, with what is kept for connections."""

_KEY_DIGITS = 16

PieceKey: TypeAlias = Annotated[str, msgspec.Meta(pattern=rf"^[0-9a-f]{{{_KEY_DIGITS}}}\Z")]
"""The first digits of a piece's SHA-256: figures of one piece are never taken for another's."""


PublicKey: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}\Z")
]
"""A CURVE public key, 32 bytes in Z85."""


def piece_key(piece: Piece) -> str:
    """Return the key of a piece in the ``piece_ms`` of a boards file."""
    return piece.sha256[:_KEY_DIGITS]


Rate: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=1e18)]
"""FLOP/s."""


class CoreSpeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """FLOP/s of one core on a U-Net's layers, as measured when its worker started.

    None for a precision that was not measured.
    """

    float32: Rate | None = None
    int8: Rate | None = None

    def __post_init__(self) -> None:
        """Refuse what is no rate; decoding turns the error into one of its own."""
        if any(rate is not None and not 0 < rate < math.inf for rate in (self.float32, self.int8)):
            raise ValueError("a core's speed is no number above zero")


UNMEASURED = CoreSpeed()


@dataclass(frozen=True)
class Board:
    """A machine or a share of one, as placement sees it.

    Parameters
    ----------
    name
        Unique among the boards of a run.
    memory_limit
        Bytes that its worker promises not to exceed.
    base_memory
        Bytes that the worker takes before any piece.
    cores
        How many pieces it runs at once.
    speed
        FLOP/s of one core, relative to the other boards; for planning where it was not measured.
    core_speed
        What its worker measured of one core.
    codecs
        The codecs that it knows, and what they cost one of its cores.
    """

    name: str
    memory_limit: int
    base_memory: int = 0
    cores: int = 1
    speed: float = 1.0
    core_speed: CoreSpeed = UNMEASURED
    codecs: tuple[CodecPace, ...] = ()


class LinkEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The entries of a boards file about a machine's link; gigabit Ethernet where there are none.

    ``up`` and ``down`` are rates such as ``100Mbit``; ``latency_ms`` is one way; ``byte_ns`` is the
    processor time in nanoseconds that a byte, sent or received, costs the machine.
    """

    up: str | None = None
    down: str | None = None
    latency_ms: float = 0.0
    byte_ns: float | None = None

    def check(self) -> None:
        """Refuse figures out of range.

        Raises
        ------
        UsageError
            If one is.
        """
        for rate in (self.up, self.down):
            if rate is not None:
                parse_rate(rate)
        if not 0 <= self.latency_ms < math.inf:
            raise UsageError("latency_ms must be a number of at least zero")
        if self.byte_ns is not None and not 0 <= self.byte_ns < math.inf:
            raise UsageError("byte_ns must be a number of at least zero")


class BoardEntry(LinkEntry, frozen=True, forbid_unknown_fields=True):
    """One ``[[board]]`` of a boards file.

    A worker that runs states its memory and cores itself; ``memory`` and ``cores`` are for
    planning without it. ``piece_ms`` are measured milliseconds of pieces on one core, ``codec_ns``
    measured nanoseconds of one core to encode and to decode a byte of a tensor, by codec;
    ``public_key`` is the key whose secret half its worker must prove to have.
    """

    name: str
    endpoint: str | None = None
    speed: float = 1.0
    memory: str | None = None
    cores: Annotated[int, msgspec.Meta(ge=1)] = 1
    piece_ms: dict[PieceKey, float] = {}
    codec_ns: dict[CodecName, tuple[float, float]] = {}
    public_key: PublicKey | None = None

    @property
    def address(self) -> str:
        """Where its worker listens.

        Raises
        ------
        UsageError
            If the file doesn't say.
        """
        if self.endpoint is None:
            raise UsageError(
                f"{self.name} has no endpoint; say where its worker listens, such as "
                'endpoint = "tcp://192.168.1.20:7355"'
            )
        return self.endpoint

    @property
    def expected(self) -> Board:
        """The board as it will be once its worker runs.

        Raises
        ------
        UsageError
            If the file doesn't say what memory it has.
        """
        if self.memory is None:
            raise UsageError(
                f"{self.name} has no memory to plan with; say what its worker may take, such as "
                'memory = "512MiB"'
            )
        return Board(
            self.name,
            parse_bytes(self.memory),
            WORKER_BASE,
            self.cores,
            self.speed,
            codecs=self._paces or expected_paces(self.speed),
        )

    @property
    def _paces(self) -> tuple[CodecPace, ...]:
        return tuple(
            CodecPace(codec, encode / 1e9, decode / 1e9)
            for codec, (encode, decode) in self.codec_ns.items()
        )

    def seconds(self, pieces: Iterable[Piece]) -> dict[str, float]:
        """Return the measured seconds of pieces on one core, by name, where there are any."""
        return {
            piece.name: self.piece_ms[piece_key(piece)] / 1e3
            for piece in pieces
            if piece_key(piece) in self.piece_ms
        }

    def check(self) -> None:
        """Refuse figures out of range.

        Raises
        ------
        UsageError
            If one is.
        """
        super().check()
        if self.memory is not None:
            parse_bytes(self.memory)
        if not 0 < self.speed < math.inf:
            raise UsageError("speed must be a number above zero")
        if not all(0 < milliseconds < math.inf for milliseconds in self.piece_ms.values()):
            raise UsageError("piece_ms must be numbers above zero")
        if not all(0 < ns < math.inf for pair in self.codec_ns.values() for ns in pair):
            raise UsageError("codec_ns must be pairs of numbers above zero")


class BoardsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A boards file: the boards, and the machine that sends slices and collects masks."""

    board: tuple[BoardEntry, ...]
    coordinator: LinkEntry = LinkEntry()


def read_boards(path: Path) -> BoardsFile:
    """Read a boards file.

    Raises
    ------
    UsageError
        If it is missing or no TOML, has unknown keys or duplicate names, or a figure is out of
        range.
    """
    try:
        file = msgspec.toml.decode(path.read_bytes(), type=BoardsFile)
    except OSError as error:
        near = near_path(path) if isinstance(error, FileNotFoundError) else ""
        raise UsageError(f"can't read the boards file {path} ({error.strerror}){near}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        near = near_key(error, BoardEntry, BoardsFile)
        raise UsageError(f"{path} is no boards file: {error}{near}") from None
    names = [entry.name for entry in file.board]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"{path} must list at least one [[board]], each with a name of its own")
    for name, entry in (("coordinator", file.coordinator), *zip(names, file.board, strict=True)):
        _check(f"{path}: {name}", entry)
    return file


def _check(origin: str, entry: LinkEntry) -> None:
    try:
        entry.check()
    except UsageError as error:
        raise UsageError(f"{origin}: {error}") from None
