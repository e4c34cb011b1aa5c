"""Which board runs which piece, and the bytes that takes there, as data and pure functions.

A placement is a list of lanes. A lane puts every piece on one board; slices are dealt to the
lanes. One lane over two boards is a pipeline, two lanes of one board each are whole-slice data
parallelism, and both are told apart by nothing but these lists.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from edgeseg.bundle.manifest import Manifest, Piece, Port

SPARE_SLICES = 1
"""Slices in flight beyond one a board, so that no board waits for the coordinator."""


_ADAPTING = 8
"""Bytes a value while int8 becomes float32 or the reverse, beside both."""

SEALING = 2
"""Times its size that a message takes beside itself while it is encrypted: plain, and sealed."""

_DECODING = 12
"""Bytes a value while probabilities become a mask, beside two for every channel."""


class Loadable(Protocol):
    """A piece, compiled or yet to be compiled, and the memory it takes."""

    @property
    def peak_memory_bytes(self) -> int:
        """Bytes that loading and running it takes."""

    @property
    def resident_memory_bytes(self) -> int:
        """Bytes that it keeps."""


class Flowing(Protocol):
    """A piece, compiled or yet to be compiled, and the tensors that pass through it."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The ports it reads."""

    @property
    def outputs(self) -> tuple[Port, ...]:
        """The ports it makes."""


_Loadable = TypeVar("_Loadable", bound=Loadable)
_Tensor = TypeVar("_Tensor", bound=Hashable)


@dataclass(frozen=True)
class Lane:
    """A full set of pieces: the board of each, and how many slices may be in flight.

    A lane in ``shifts`` has one board, too small for all of its pieces: they are loaded group by
    group, each for all slices in flight, and what passes between groups waits on its disk.
    """

    boards: Mapping[str, str]
    window: int
    shifts: tuple[tuple[str, ...], ...] = ()

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

    Counted are all tensors that these pieces read or make, each once and in the larger type where
    it is read in another: a received tensor until its last reader has run, a made one until it
    is sent.
    """
    sizes: dict[str, int] = {}
    for piece in manifest.pieces:
        if piece.name in here:
            for port in (*piece.inputs, *piece.outputs):
                sizes[port.tensor] = max(sizes.get(port.tensor, 0), port.nbytes)
    return sum(sizes.values())


def handovers(readers: Sequence[Iterable[int]], boards: Sequence[Hashable]) -> list[int]:
    """Count how often what each piece makes still goes from board to board, at most.

    Of steps that may run, the one with most of that ahead is to go first: another board waits
    for it, or will.

    Parameters
    ----------
    readers
        For each piece, in the order of the partition, those that read what it makes.
    boards
        The board of each piece.
    """
    ahead = [0] * len(boards)
    for piece in reversed(range(len(boards))):
        ahead[piece] = max(
            (ahead[reader] + (boards[reader] != boards[piece]) for reader in readers[piece]),
            default=0,
        )
    return ahead


def handovers_of(manifest: Manifest, lane: Lane) -> dict[str, int]:
    """Do as :func:`handovers` for the pieces of a lane, by name."""
    made = [{port.tensor for port in piece.outputs} for piece in manifest.pieces]
    read = [{port.tensor for port in piece.inputs} for piece in manifest.pieces]
    readers = [
        [number for number, wanted in enumerate(read) if wanted & tensors] for tensors in made
    ]
    names = [piece.name for piece in manifest.pieces]
    ahead = handovers(readers, [lane.boards[name] for name in names])
    return dict(zip(names, ahead, strict=True))


def waiting_bytes(manifest: Manifest, shifts: Sequence[Sequence[str]]) -> int:
    """Most bytes of one slice that wait on disk between two shifts; the image is no part of it."""
    shift_of = {name: number for number, shift in enumerate(shifts) for name in shift}
    waiting = [0] * max(len(shifts), 1)
    for piece in manifest.pieces if shifts else ():
        for port in piece.outputs:
            last = max(
                (shift_of[p.name] for p in manifest.pieces if port.tensor in _read_by(p)), default=0
            )
            for boundary in range(shift_of[piece.name], last):
                waiting[boundary] += port.nbytes
    return max(waiting)


def _read_by(piece: Piece) -> frozenset[str]:
    return frozenset(port.tensor for port in piece.inputs)


def most_alive(pieces: Sequence[Piece]) -> int:
    """Most bytes of tensors while pieces run one after the other on one slice.

    A tensor comes with its first reader and goes with its last; what others read goes at once.
    """
    flows = [
        ({p.tensor: p.nbytes for p in piece.inputs}, {p.tensor: p.nbytes for p in piece.outputs})
        for piece in pieces
    ]
    return most_alive_of(flows)


def most_alive_of(flows: Sequence[tuple[Mapping[_Tensor, int], Mapping[_Tensor, int]]]) -> int:
    """Do as :func:`most_alive`, from the bytes of what each piece reads and makes."""
    alive: dict[_Tensor, int] = {}
    most = 0
    for number, (read, made) in enumerate(flows):
        alive |= {**read, **made}
        most = max(most, sum(alive.values()))
        wanted = {tensor for later, _ in flows[number + 1 :] for tensor in later}
        alive = {tensor: size for tensor, size in alive.items() if tensor in wanted}
    return most


def working_bytes(
    pieces: Iterable[Flowing], sources: Mapping[str, Port], image: str, output: str
) -> int:
    """Most bytes that one core takes beside pieces and tensors: what it converts on the way.

    Parameters
    ----------
    pieces
        What it runs.
    sources
        The port that makes each tensor that they read.
    image, output
        The tensors that travel as 8-bit values.
    """
    return max(max(_adapting(piece, sources, image), _decoding(piece, output)) for piece in pieces)


def plane_bytes(image: Port) -> int:
    """Bytes of an image on the wire: one 8-bit plane, whatever channels the network reads.

    Parameters
    ----------
    image
        The port of the image, of shape (1, H, W, C).
    """
    return math.prod(image.shape[1:3])


def _adapting(piece: Flowing, sources: Mapping[str, Port], image: str) -> int:
    """Bytes of inputs as they came where they are held in another type or scale as well."""
    came = sum(math.prod(port.shape) for port in piece.inputs if port.tensor == image)
    changed = [port for port in piece.inputs if port != sources[port.tensor]]
    temporary = max((_ADAPTING * math.prod(port.shape) for port in changed), default=0)
    return came + sum(port.nbytes for port in changed) + temporary


def _decoding(piece: Flowing, output: str) -> int:
    """Bytes of probabilities and of every channel on the slice's own grid, which is smaller."""
    made = (port for port in piece.outputs if port.tensor == output)
    return sum((2 * port.shape[-1] + _DECODING) * math.prod(port.shape) for port in made)


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
