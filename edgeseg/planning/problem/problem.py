"""The planning problem as data: pieces, the tensors between them, boards and their links."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgeseg.boards.boards_file import UNMEASURED, Board
from edgeseg.boards.link import Link
from edgeseg.codecs.names import CodecName
from edgeseg.planning.problem.merged_runs import RunMemory


@dataclass(frozen=True)
class PieceCost:
    """What a piece takes: seconds on one core of each board, and bytes of memory.

    Parameters
    ----------
    name
        Unique among the pieces.
    seconds
        Seconds a slice on one core, by board.
    peak_bytes
        Bytes while it is loaded.
    resident_bytes
        Bytes that it keeps once it is loaded.
    """

    name: str
    seconds: tuple[float, ...]
    peak_bytes: int
    resident_bytes: int


@dataclass(frozen=True)
class Flow:
    """A tensor of one slice: its producer, its readers, its bytes on the wire and in memory.

    Parameters
    ----------
    name
        Name of the tensor.
    wire_bytes
        Bytes that sending it to one board takes.
    held_bytes
        Bytes that it takes in the memory of each board that produces or reads it.
    producer
        Number of the piece that produces it; None for the image, which the coordinator sends.
    readers
        Numbers of the pieces that read it, in order.
    returns
        Whether it goes back to the coordinator: the mask.
    ratios
        By codec, how many bytes each byte becomes on the wire; empty where it is not encoded.
    """

    name: str
    wire_bytes: int
    held_bytes: int
    producer: int | None
    readers: tuple[int, ...]
    returns: bool = False
    ratios: tuple[tuple[CodecName, float], ...] = ()

    @property
    def touched_by(self) -> tuple[int, ...]:
        """Numbers of the pieces on whose board the tensor takes memory."""
        return self.readers if self.producer is None else (self.producer, *self.readers)


@dataclass(frozen=True)
class Problem:
    """Pieces in the order of the partition, in which they may run, and the boards for them.

    A tensor is sent once to each board that reads it, and not at all to the board that produces
    it.

    Parameters
    ----------
    pieces
        What each piece takes, in the order of the partition.
    flows
        The tensors, the image first.
    boards
        The boards at hand.
    links
        The link of each board.
    coordinator
        The link of the machine that sends images and collects masks.
    loading
        Numbers of the pieces in the order in which a board loads them.
    estimated_boards
        Names of the boards where the seconds of a piece that fits there are an estimate from its
        FLOPs, not a measurement.
    merged
        What a run of neighbouring pieces on one board takes once it is compiled as one piece; a
        piece's own ``resident_bytes`` are then the least that it adds to a run. None where the
        pieces are final.
    working_bytes
        Bytes that each core of a board takes for conversions, beside pieces and tensors.
    image_planes
        How many slices a board holds for each whose image waits: itself, or with its neighbours.
    sealed
        Whether boards encrypt what they send, which takes memory.
    """

    pieces: tuple[PieceCost, ...]
    flows: tuple[Flow, ...]
    boards: tuple[Board, ...]
    links: tuple[Link, ...]
    coordinator: Link
    loading: tuple[int, ...]
    estimated_boards: tuple[str, ...] = ()
    merged: RunMemory | None = None
    working_bytes: int = 0
    image_planes: int = 1
    sealed: bool = False

    @property
    def estimated(self) -> bool:
        """Whether any of the seconds is an estimate."""
        return bool(self.estimated_boards)

    def only(self, boards: Sequence[int]) -> "Problem":
        """Return the same problem for some of its boards, given by number."""
        return replace(
            self,
            pieces=tuple(
                replace(piece, seconds=tuple(piece.seconds[b] for b in boards))
                for piece in self.pieces
            ),
            boards=tuple(self.boards[b] for b in boards),
            links=tuple(self.links[b] for b in boards),
        )

    def kind(self, board: int) -> tuple[object, ...]:
        """Return all that distinguishes a board but its name; boards of equal kinds are alike."""
        seconds = tuple(piece.seconds[board] for piece in self.pieces)
        return (
            replace(self.boards[board], name="", speed=1.0, core_speed=UNMEASURED),
            self.links[board],
            seconds,
        )

    def kinds(self) -> list[list[int]]:
        """Return the numbers of the boards, grouped by kind."""
        kinds: dict[object, list[int]] = {}
        for board in range(len(self.boards)):
            kinds.setdefault(self.kind(board), []).append(board)
        return list(kinds.values())

    def alike_before(self) -> list[int | None]:
        """Return for each board the last board before it of the same kind, or None."""
        before: list[int | None] = [None] * len(self.boards)
        for kind in self.kinds():
            for earlier, board in itertools.pairwise(kind):
                before[board] = earlier
        return before
