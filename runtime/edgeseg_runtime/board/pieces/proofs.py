"""What came of a piece that was tried on this board: what it took, and the arrays of its file."""

from collections.abc import Mapping, Sequence

import msgspec

from edgeseg.bundle.manifest import ROW_AXIS, Piece, Port, Strips
from edgeseg.errors import BoardError
from edgeseg.inference.engine_protocol import PortDetail


class ArrayKind(msgspec.Struct, frozen=True):
    """Shape and type of an array that the file of a piece reads or makes."""

    shape: tuple[int, ...]
    dtype: str


class Proof(msgspec.Struct, frozen=True, tag=True):
    """A piece was loaded and ran once on this board, in a process that ended as it should.

    Bytes are those by which the process grew, without the pages of libraries.
    """

    peak_memory_bytes: int
    resident_memory_bytes: int
    inputs: tuple[ArrayKind, ...]
    outputs: tuple[ArrayKind, ...]


def kinds_of(ports: Sequence[PortDetail]) -> tuple[ArrayKind, ...]:
    """Return what an engine says of the arrays of a file."""
    return tuple(ArrayKind(port.shape, port.dtype) for port in ports)


def check_ports(piece: Piece, proof: Proof) -> None:
    """Make sure that a file reads and makes what is said of the piece.

    The tensors of the slices in flight are counted from that.

    Raises
    ------
    BoardError
        If it does not.
    """
    strips = piece.bands
    read = _expected(piece.inputs, strips.inputs if strips else ())
    made = _expected(piece.outputs, strips.outputs if strips else ())
    if (read, made) != (proof.inputs, proof.outputs):
        raise BoardError(f"piece {piece.name} reads or makes other arrays than its manifest says")


def as_proven(piece: Piece, proofs: Mapping[str, Proof]) -> Piece:
    """Return a piece with the memory that it is said to take, or took here if that is more."""
    proof = proofs.get(piece.sha256)
    if proof is None:
        return piece
    return msgspec.structs.replace(
        piece,
        peak_memory_bytes=max(piece.peak_memory_bytes, proof.peak_memory_bytes),
        resident_memory_bytes=max(piece.resident_memory_bytes, proof.resident_memory_bytes),
    )


def _expected(ports: Sequence[Port], strips: Sequence[Strips]) -> tuple[ArrayKind, ...]:
    """Return the arrays of ports, or of one band of them."""
    if not strips:
        return tuple(ArrayKind(port.shape, port.dtype) for port in ports)
    return tuple(
        ArrayKind((*port.shape[:ROW_AXIS], strip.rows, *port.shape[ROW_AXIS + 1 :]), port.dtype)
        for port, strip in zip(ports, strips, strict=False)
    )
