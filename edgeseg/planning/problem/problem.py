"""What is to be planned, as data: pieces, the tensors between them, boards and their links."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from edgeseg.boards.boards_file import Board, BoardsFile
from edgeseg.boards.link import GIGABIT, Link, link_of
from edgeseg.boards.placement import Loadable, loading_order, working_bytes
from edgeseg.bundle.manifest import Port
from edgeseg.planning.problem.merged_runs import RunMemory

REFERENCE_FLOPS = 8e9
"""FLOP/s of one core of speed 1 where nothing was measured: two thirds of what a Cortex-A72 at
1.5 GHz could do at most (8 a cycle)."""


@dataclass(frozen=True)
class Work:
    """A piece as planning sees it: seconds on one core of each board, and its memory in bytes."""

    name: str
    seconds: tuple[float, ...]
    peak_bytes: int
    resident_bytes: int


@dataclass(frozen=True)
class Flow:
    """A tensor: who makes it, who reads it, and what it takes on the wire and in memory.

    Parameters
    ----------
    producer
        Number of the piece that makes it; None for the image, which the coordinator sends.
    readers
        Numbers of the pieces that read it, in order.
    returns
        Whether it goes back to the coordinator: the mask.
    """

    name: str
    wire_bytes: int
    held_bytes: int
    producer: int | None
    readers: tuple[int, ...]
    returns: bool = False

    @property
    def touched_by(self) -> tuple[int, ...]:
        """Pieces on whose board the tensor takes memory."""
        return self.readers if self.producer is None else (self.producer, *self.readers)


@dataclass(frozen=True)
class Problem:
    """Pieces in the order of the partition, in which they may run, and the boards for them.

    A tensor is sent once to each board that reads it, and not at all where it is made.

    Parameters
    ----------
    loading
        Numbers of the pieces in the order in which a board loads them.
    estimated_boards
        Names of the boards where the seconds of a piece that fits there were worked out from its
        FLOPs, not measured.
    merged
        What runs take, where pieces next to each other on a board are yet to become one; a
        piece's own ``resident_bytes`` are then the least that it adds.
    working_bytes
        What a core takes beside pieces and tensors, wherever it runs any.
    sealed
        Whether what boards send is encrypted, which takes memory.
    """

    pieces: tuple[Work, ...]
    flows: tuple[Flow, ...]
    boards: tuple[Board, ...]
    links: tuple[Link, ...]
    coordinator: Link
    loading: tuple[int, ...]
    estimated_boards: tuple[str, ...] = ()
    merged: RunMemory | None = None
    working_bytes: int = 0
    sealed: bool = False

    @property
    def estimated(self) -> bool:
        """Whether any of the seconds were not measured."""
        return bool(self.estimated_boards)

    def only(self, boards: Sequence[int]) -> "Problem":
        """Return the same problem for some of its boards, by number."""
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
        """Return what tells a board from others but its name: boards of one kind are alike."""
        seconds = tuple(piece.seconds[board] for piece in self.pieces)
        return (replace(self.boards[board], name="", speed=1.0), self.links[board], seconds)

    def kinds(self) -> list[list[int]]:
        """Return the numbers of the boards, those of one kind together."""
        kinds: dict[object, list[int]] = {}
        for board in range(len(self.boards)):
            kinds.setdefault(self.kind(board), []).append(board)
        return list(kinds.values())

    def alike_before(self) -> list[int | None]:
        """For each board, the last one before it of the same kind, if there is one."""
        before: list[int | None] = [None] * len(self.boards)
        for kind in self.kinds():
            for earlier, board in itertools.pairwise(kind):
                before[board] = earlier
        return before


class Placeable(Loadable, Protocol):
    """A piece, compiled or yet to be compiled, as far as planning sees it."""

    @property
    def name(self) -> str:
        """Unique among the pieces."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The ports it reads."""

    @property
    def outputs(self) -> tuple[Port, ...]:
        """The ports it makes."""

    @property
    def flops(self) -> int:
        """What it computes a slice."""


def problem_of(
    pieces: Sequence[Placeable],
    boards: Sequence[Board],
    seconds: Mapping[str, Mapping[str, float]] | None = None,
    links: Mapping[str, Link] | None = None,
    coordinator: Link = GIGABIT,
) -> Problem:
    """State the problem of placing pieces on boards.

    Parameters
    ----------
    pieces
        In the order of the partition.
    boards
        The boards at hand.
    seconds
        What each piece takes on one core, by board and piece name; what is missing is estimated
        from FLOPs and the board's speed.
    links
        The links by board name; gigabit Ethernet where missing.
    coordinator
        The link of the machine that sends images and collects masks.
    """
    measured = seconds or {}
    works = tuple(
        Work(
            name=piece.name,
            seconds=tuple(
                measured.get(board.name, {}).get(piece.name, _estimate(piece.flops, board))
                for board in boards
            ),
            peak_bytes=piece.peak_memory_bytes,
            resident_bytes=piece.resident_memory_bytes,
        )
        for piece in pieces
    )
    order = {piece.name: number for number, piece in enumerate(pieces)}
    image, mask = pieces[0].inputs[0].tensor, pieces[-1].outputs[-1].tensor
    return Problem(
        pieces=works,
        flows=_flows(pieces),
        boards=tuple(boards),
        links=tuple((links or {}).get(board.name, GIGABIT) for board in boards),
        coordinator=coordinator,
        loading=tuple(order[piece.name] for piece in loading_order(pieces)),
        estimated_boards=tuple(
            board.name
            for board in boards
            if not _complete(measured.get(board.name, {}), pieces, board)
        ),
        working_bytes=working_bytes(pieces, sources_of(pieces), image, mask),
    )


def sources_of(pieces: Sequence[Placeable]) -> dict[str, Port]:
    """Return the port that each tensor comes from; the image becomes float32 where it arrives."""
    image = pieces[0].inputs[0]
    made = (port for piece in pieces for port in piece.outputs)
    return {port.tensor: port for port in (Port(image.tensor, image.shape), *made)}


def problem_from(
    file: BoardsFile,
    pieces: Sequence[Placeable],
    seconds: Mapping[str, Mapping[str, float]] | None = None,
) -> Problem:
    """State the problem for the boards of a file as they will be once their workers run.

    Parameters
    ----------
    file
        Boards, their links, and the coordinator's.
    pieces, seconds
        As for :func:`problem_of`.

    Raises
    ------
    UsageError
        If the file does not say what memory a board has.
    """
    problem = problem_of(
        pieces,
        [entry.expected for entry in file.board],
        seconds,
        links={entry.name: link_of(entry) for entry in file.board},
        coordinator=link_of(file.coordinator),
    )
    return replace(problem, sealed=any(entry.public_key for entry in file.board))


def _complete(known: Mapping[str, float], pieces: Sequence[Placeable], board: Board) -> bool:
    """Tell whether all pieces that a board could hold were measured there."""
    room = board.memory_limit - board.base_memory
    return all(piece.name in known or piece.peak_memory_bytes > room for piece in pieces)


def _estimate(flops: int, board: Board) -> float:
    return max(flops, 1) / (board.speed * REFERENCE_FLOPS)


def _flows(pieces: Sequence[Placeable]) -> tuple[Flow, ...]:
    """List all tensors; image and mask travel as 8-bit values, others as their producer's type.

    A tensor that ports of two types hold is counted as the larger.
    """
    image, mask = pieces[0].inputs[0], pieces[-1].outputs[-1]
    producers = {port.tensor: n for n, p in enumerate(pieces) for port in p.outputs}
    made = [port for piece in pieces for port in piece.outputs]
    ports = [port for piece in pieces for port in (*piece.inputs, *piece.outputs)]
    return tuple(
        Flow(
            name=source.tensor,
            wire_bytes=math.prod(source.shape) if source in (image, mask) else source.nbytes,
            held_bytes=max(port.nbytes for port in ports if port.tensor == source.tensor),
            producer=producers.get(source.tensor),
            readers=tuple(
                number
                for number, piece in enumerate(pieces)
                if any(port.tensor == source.tensor for port in piece.inputs)
            ),
            returns=source == mask,
        )
        for source in (image, *made)
    )
