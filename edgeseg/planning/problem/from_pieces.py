"""The planning problem of pieces, compiled or yet to be compiled, on given boards."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from edgeseg.boards.boards_file import Board, BoardsFile
from edgeseg.boards.link import GIGABIT, Link, link_of
from edgeseg.boards.memory_use import Loadable, loading_order, working_bytes
from edgeseg.bundle.manifest import Port, Preprocessing
from edgeseg.codecs.ratio import Ratios, estimated_ratios
from edgeseg.planning.problem.problem import Flow, PieceCost, Problem

REFERENCE_FLOPS = 8e9
"""FLOP/s of one core of speed 1 where nothing was measured: two thirds of what a Cortex-A72 at
1.5 GHz could do at most (8 a cycle)."""


class Placeable(Loadable, Protocol):
    """What planning needs to know of a piece."""

    @property
    def name(self) -> str:
        """Unique among the pieces."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The ports it reads."""

    @property
    def outputs(self) -> tuple[Port, ...]:
        """The ports it produces."""

    @property
    def flops(self) -> int:
        """Floating-point operations a slice."""


def problem_of(  # noqa: PLR0913 - all that a problem is made of
    pieces: Sequence[Placeable],
    boards: Sequence[Board],
    seconds: Mapping[str, Mapping[str, float]] | None = None,
    links: Mapping[str, Link] | None = None,
    coordinator: Link = GIGABIT,
    *,
    preprocessing: Preprocessing | None = None,
    ratios: Mapping[str, Ratios] | None = None,
) -> Problem:
    """Return the problem of placing pieces on boards.

    Parameters
    ----------
    pieces
        In the order of the partition.
    boards
        The boards at hand.
    seconds
        Seconds of each piece on one core, by board name and piece name; where missing, estimated
        from the piece's FLOPs and what the board's worker measured of a core, else its ``speed``.
    links
        The links by board name; gigabit Ethernet where missing.
    coordinator
        The link of the machine that sends images and collects masks.
    preprocessing
        How slices become images; None for one slice of 8-bit levels.
    ratios
        What codecs make of a byte of each tensor, by its name; estimated where missing.

    Returns
    -------
    Problem
        Pieces and boards are numbered in the order given.
    """
    measured = seconds or {}
    costs = tuple(
        PieceCost(
            name=piece.name,
            seconds=tuple(
                measured.get(board.name, {}).get(piece.name, _estimate(piece, board))
                for board in boards
            ),
            peak_bytes=piece.peak_memory_bytes,
            resident_bytes=piece.resident_memory_bytes,
        )
        for piece in pieces
    )
    order = {piece.name: number for number, piece in enumerate(pieces)}
    (first, *_), mask = pieces[0].inputs, pieces[-1].outputs[-1].tensor
    how = preprocessing or Preprocessing((0.0, 255.0), (first.shape[1], first.shape[2]))
    working = working_bytes(pieces, sources_of(pieces), first.tensor, mask, how.image_bytes)
    return Problem(
        pieces=costs,
        flows=_flows(pieces, how.plane_bytes, ratios or {}),
        boards=tuple(boards),
        links=tuple((links or {}).get(board.name, GIGABIT) for board in boards),
        coordinator=coordinator,
        loading=tuple(order[piece.name] for piece in loading_order(pieces)),
        estimated_boards=tuple(
            board.name
            for board in boards
            if not _all_measured(measured.get(board.name, {}), pieces, board)
        ),
        working_bytes=working + how.kept_bytes,
        image_planes=how.planes,
    )


def problem_of_file(
    file: BoardsFile,
    pieces: Sequence[Placeable],
    seconds: Mapping[str, Mapping[str, float]] | None = None,
    preprocessing: Preprocessing | None = None,
    ratios: Mapping[str, Ratios] | None = None,
) -> Problem:
    """Return the problem for the boards of a boards file, as they are once their workers run.

    Parameters
    ----------
    file
        The boards, their links, and the coordinator's link.
    pieces, seconds, preprocessing, ratios
        As for :func:`problem_of`.

    Raises
    ------
    UsageError
        If the file does not give the memory of a board.
    """
    problem = problem_of(
        pieces,
        [entry.expected for entry in file.board],
        seconds,
        links={entry.name: link_of(entry) for entry in file.board},
        coordinator=link_of(file.coordinator),
        preprocessing=preprocessing,
        ratios=ratios,
    )
    return replace(problem, sealed=any(entry.public_key for entry in file.board))


def sources_of(pieces: Sequence[Placeable]) -> dict[str, Port]:
    """Return the port that each tensor comes from; the image's is float32, as boards convert it."""
    image = pieces[0].inputs[0]
    outputs = (port for piece in pieces for port in piece.outputs)
    return {port.tensor: port for port in (Port(image.tensor, image.shape), *outputs)}


def _all_measured(measured: Mapping[str, float], pieces: Sequence[Placeable], board: Board) -> bool:
    """Return whether all pieces that fit a board were measured there."""
    available = board.memory_limit - board.base_memory
    return all(piece.name in measured or piece.peak_memory_bytes > available for piece in pieces)


def _estimate(piece: Placeable, board: Board) -> float:
    """Return the estimated seconds on one core of a board: by its own measure, else its speed."""
    int8 = any(port.dtype == "int8" for port in piece.outputs)
    measured = board.core_speed.int8 if int8 else board.core_speed.float32
    return max(piece.flops, 1) / (measured or board.speed * REFERENCE_FLOPS)


def _flows(
    pieces: Sequence[Placeable], plane_bytes: int, ratios: Mapping[str, Ratios]
) -> tuple[Flow, ...]:
    """Return all tensors; one that ports of two types hold counts as the larger in memory."""
    image = pieces[0].inputs[0]
    outputs = [port for piece in pieces for port in piece.outputs]
    producers = {port.tensor: n for n, p in enumerate(pieces) for port in p.outputs}
    ports = [port for piece in pieces for port in (*piece.inputs, *piece.outputs)]
    mask = outputs[-1]
    return tuple(
        Flow(
            name=source.tensor,
            wire_bytes=plane_bytes if source == image else _wire_bytes(source, mask),
            held_bytes=max(port.nbytes for port in ports if port.tensor == source.tensor),
            producer=producers.get(source.tensor),
            readers=tuple(
                number
                for number, piece in enumerate(pieces)
                if any(port.tensor == source.tensor for port in piece.inputs)
            ),
            returns=source == mask,
            ratios=()
            if source in {image, mask}
            else tuple((ratios.get(source.tensor) or estimated_ratios(source.dtype)).items()),
        )
        for source in (image, *outputs)
    )


def _wire_bytes(source: Port, mask: Port) -> int:
    """Return the bytes of a tensor on the wire.

    The mask is at most one 8-bit value for each of its probabilities; other tensors travel in the
    type of their producer.
    """
    return math.prod(source.shape) if source == mask else source.nbytes
