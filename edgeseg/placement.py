"""Which board runs which piece, and the bytes that takes there, as data and pure functions.

A placement is a list of lanes. A lane puts every piece on one board; slices are dealt to the
lanes. One lane over two boards is a pipeline, two lanes of one board each are whole-slice data
parallelism, and both are told apart by nothing but these lists.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from edgeseg.manifest import Manifest, Piece, Port

SPARE_SLICES = 1
"""Slices in flight beyond one a board, so that no board waits for the coordinator."""


class Loadable(Protocol):
    """A piece, compiled or yet to be compiled, and the memory it takes."""

    @property
    def peak_memory_bytes(self) -> int:
        """Bytes that loading and running it takes."""

    @property
    def resident_memory_bytes(self) -> int:
        """Bytes that it keeps."""


_Loadable = TypeVar("_Loadable", bound=Loadable)


@dataclass(frozen=True)
class Lane:
    """A full set of pieces: the board of each, and how many slices may be in flight."""

    boards: Mapping[str, str]
    window: int

    @property
    def members(self) -> tuple[str, ...]:
        """Boards in the order in which a slice first meets them."""
        return tuple(dict.fromkeys(self.boards.values()))


@dataclass(frozen=True)
class Placement:
    """The lanes, and why boards were left out (by name)."""

    lanes: tuple[Lane, ...]
    left_out: Mapping[str, str]

    @property
    def members(self) -> tuple[str, ...]:
        """Every board that runs anything."""
        return tuple(dict.fromkeys(name for lane in self.lanes for name in lane.members))


def slice_bytes(manifest: Manifest, here: frozenset[str]) -> int:
    """Most bytes that one slice can keep alive on a board that runs the pieces ``here``.

    Counted are all tensors that these pieces read or make, each once: a received tensor until
    its last reader has run, a made one until it is sent.
    """
    ports: dict[str, Port] = {}
    for piece in manifest.pieces:
        if piece.name in here:
            ports |= {port.tensor: port for port in (*piece.inputs, *piece.outputs)}
    return sum(port.nbytes for port in ports.values())


def pieces_and_slices(pieces: Sequence[Piece], in_flight: int) -> int:
    """Most bytes that pieces, loaded in :func:`loading_order`, and the slices in flight take.

    All pieces are loaded before any slice comes.
    """
    kept = peak = 0
    for piece in loading_order(pieces):
        peak = max(peak, kept + piece.peak_memory_bytes)
        kept += piece.resident_memory_bytes
    return max(peak, kept + in_flight)


def loading_order(pieces: Iterable[_Loadable]) -> list[_Loadable]:
    """Order pieces such that loading one after the other has the smallest peak.

    What takes most on top of what it keeps goes first, while little else is there.
    """
    return sorted(
        pieces,
        key=lambda piece: piece.peak_memory_bytes - piece.resident_memory_bytes,
        reverse=True,
    )
