"""Messages of a placement: pieces and routes are assigned, pieces are sent, a board is ready."""

import msgspec

from edgeseg.boards.boards_file import PublicKey
from edgeseg.bundle.manifest import Count, Decoding, Extent, Piece, Port, Preprocessing
from edgeseg.bundle.signed_manifest import SignedManifest
from edgeseg.codecs.names import CodecName
from edgeseg_runtime.messaging.wire.fields import Message, ShortText


class Routes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a board does in one lane: the pieces that it runs, and which boards read each tensor.

    ``window`` is how many slices may be in flight in the lane. ``handovers`` is, by piece, how
    often its output is still sent from board to board: pieces with more of them run first.
    ``codecs`` names the codec of each tensor that passes between boards encoded.
    """

    lane: int
    pieces: tuple[str, ...]
    destinations: dict[str, tuple[str, ...]]
    window: Extent = 1
    handovers: dict[str, Count] = {}
    codecs: dict[str, CodecName] = {}


class Peer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another board: where it listens, and its public key if it has one."""

    endpoint: str
    public_key: PublicKey | None = None


class Assignment(Message, frozen=True):
    """From a coordinator: the pieces and routes of a board in one epoch.

    ``sources`` are the ports that make what the pieces read, ``peers`` the boards that tensors
    are sent to, by name, ``admits`` the public keys of the boards that send here,
    ``reserved_bytes`` what the slices in flight may take on this board. With ``shifts`` the
    pieces share the memory over time: they are loaded group by group, and tensors between groups
    are spooled to disk, at most ``spool_bytes`` of them. With ``probabilities`` no result may come
    back as a mask. ``signed`` is for boards that take signed bundles only.
    """

    epoch: Count
    pieces: tuple[Piece, ...]
    sources: tuple[Port, ...]
    routes: tuple[Routes, ...]
    peers: dict[str, Peer]
    input: str
    output: Port
    preprocessing: Preprocessing
    decoding: Decoding
    reserved_bytes: Count
    admits: tuple[PublicKey, ...] = ()
    shifts: tuple[tuple[str, ...], ...] = ()
    spool_bytes: Count = 0
    probabilities: bool = False
    signed: SignedManifest | None = None


class PieceRequest(Message, frozen=True):
    """From a worker: it lacks the piece of this SHA-256."""

    epoch: Count
    sha256: ShortText


class PieceData(Message, frozen=True):
    """From a coordinator: one packed piece, in the payload."""

    epoch: Count
    sha256: ShortText


class Ready(Message, frozen=True):
    """From a worker: every piece is loaded and has run once."""

    epoch: Count
