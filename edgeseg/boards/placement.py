"""Which board runs which piece, as data.

A placement is a list of lanes. A lane puts every piece on one board; slices are dealt to the
lanes. One lane over two boards is a pipeline, two lanes of one board each are whole-slice data
parallelism, and both are told apart by nothing but these lists.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from edgeseg.bundle.manifest import Manifest
from edgeseg.codecs.names import CodecName

SPARE_SLICES = 1
"""Slices in flight beyond one a board, so that no board waits for the coordinator."""


@dataclass(frozen=True)
class Lane:
    """A full set of pieces: the board of each, and how many slices may be in flight.

    Attributes
    ----------
    boards
        The board of each piece, by the piece's name.
    window
        How many slices may be in flight.
    shifts
        Where one board, too small for all pieces, runs them group by group: names of the pieces
        of each group. A group is loaded for all slices in flight, and tensors between groups
        wait on the board's disk.
    codecs
        The codec of each tensor that passes between boards encoded, by its name.
    """

    boards: Mapping[str, str]
    window: int
    shifts: tuple[tuple[str, ...], ...] = ()
    codecs: Mapping[str, CodecName] = field(default_factory=dict)

    @property
    def members(self) -> tuple[str, ...]:
        """Boards in the order in which a slice first meets them."""
        return tuple(dict.fromkeys(self.boards.values()))


@dataclass(frozen=True)
class Placement:
    """The lanes, and the reason why each board that runs nothing was left out, by its name."""

    lanes: tuple[Lane, ...]
    left_out: Mapping[str, str]

    @property
    def members(self) -> tuple[str, ...]:
        """Every board that runs anything."""
        return tuple(dict.fromkeys(name for lane in self.lanes for name in lane.members))


def handovers(readers: Sequence[Iterable[int]], boards: Sequence[Hashable]) -> list[int]:
    """Return, for each piece, the most board-to-board transfers on a path from it to the end.

    It is the priority of a step: of several that may run, the one with most transfers ahead goes
    first, since another board waits for its output, or will.

    Parameters
    ----------
    readers
        For each piece, in the order of the partition, the numbers of those that read its output.
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
    """Return the :func:`handovers` of a lane's pieces, by name."""
    outputs = [{port.tensor for port in piece.outputs} for piece in manifest.pieces]
    inputs = [{port.tensor for port in piece.inputs} for piece in manifest.pieces]
    readers = [
        [number for number, reads in enumerate(inputs) if reads & tensors] for tensors in outputs
    ]
    names = [piece.name for piece in manifest.pieces]
    ahead = handovers(readers, [lane.boards[name] for name in names])
    return dict(zip(names, ahead, strict=True))
