"""What a board enters into its ledger for an assignment, before it holds any of it."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from edgeseg.boards.memory_use import (
    SEALING,
    coding_bytes,
    peak_board_bytes,
    peak_tensor_bytes,
    tensor_bytes,
    working_bytes,
)
from edgeseg.bundle.manifest import Piece
from edgeseg_runtime.board.memory.ledger import Ledger
from edgeseg_runtime.board.pieces.proofs import Proof, as_proven
from edgeseg_runtime.board.pieces.steps import steps_of
from edgeseg_runtime.messaging.wire import Assignment

_CHUNK_BYTES = 2**20
_ZSTD_WINDOW_BYTES = 8 * 2**20
"""How far back a zstd frame may refer."""


def reserve(assignment: Assignment, ledger: Ledger, cores: int) -> int:
    """Enter the memory of pieces, slices in flight and conversions.

    Parameters
    ----------
    assignment
        What is to be held.
    ledger
        Of this process, with nothing else entered.
    cores
        How many steps run at once.

    Returns
    -------
    int
        How many interpreter sets of each step fit, at most one a core; one for an assignment
        without routes, whose pieces are tried one at a time.

    Raises
    ------
    BoardError
        If it doesn't fit; the message says the numbers.
    """
    most_copies = cores if assignment.routes else 1
    needed_bytes = _needed_bytes(assignment)
    ledger.enter("what the pieces and the slices in flight take", needed_bytes)
    ledger.enter("slices kept as neighbours of the next", _kept_bytes(assignment))
    ledger.enter("what is converted on the way", most_copies * _conversion_bytes(assignment))
    ledger.enter("what is encoded and decoded", most_copies * _coding_bytes(assignment))
    arriving_bytes = max(map(_arriving_bytes, assignment.pieces), default=0)
    if arriving_bytes > needed_bytes:
        ledger.enter("the largest piece on its way", arriving_bytes - needed_bytes)
    copy_bytes = _copy_bytes(assignment)
    copies = 1
    while copies < most_copies and 0 < copy_bytes <= ledger.free:
        copies += 1
        ledger.enter(f"interpreters {copies}", copy_bytes)
    return copies


def reserve_proven(
    assignment: Assignment, proofs: Mapping[str, Proof], ledger: Ledger, copies: int
) -> None:
    """Enter what the pieces took when they were tried here beyond what the assignment says.

    Parameters
    ----------
    assignment
        What :func:`reserve` has entered.
    proofs
        What came of each piece, by SHA-256.
    ledger
        Of this process.
    copies
        What :func:`reserve` has returned.

    Raises
    ------
    BoardError
        If it doesn't fit; the message names the piece that takes most beyond its figure.
    """
    proven = replace(assignment, pieces=tuple(as_proven(p, proofs) for p in assignment.pieces))
    excess_bytes = _needed_bytes(proven) - _needed_bytes(assignment)
    excess_bytes += (copies - 1) * (_copy_bytes(proven) - _copy_bytes(assignment))
    if excess_bytes <= 0:
        return
    worst = max(
        zip(assignment.pieces, proven.pieces, strict=True),
        key=lambda pair: pair[1].peak_memory_bytes - pair[0].peak_memory_bytes,
    )[0]
    ledger.enter(f"what {worst.name} takes beyond its manifest", excess_bytes)


def in_flight_bytes(assignment: Assignment) -> int:
    """Return the bytes that the slices in flight may take: what is claimed, or more.

    They are counted from the ports of the pieces; a tensor that comes in is held in the type of
    its source. Between time-shared steps only images wait. Without routes pieces are tried
    one at a time.
    """
    return max(assignment.reserved_bytes, _counted_bytes(assignment))


def _counted_bytes(assignment: Assignment) -> int:
    pieces = {piece.name: piece for piece in assignment.pieces}
    if not assignment.routes:
        return max((_slice_bytes(assignment, [piece]) for piece in pieces.values()), default=0)
    if assignment.shifts:
        return assignment.routes[0].window * assignment.preprocessing.image_bytes
    return sum(
        routes.window * _slice_bytes(assignment, [pieces[name] for name in routes.pieces])
        for routes in assignment.routes
    )


def _slice_bytes(assignment: Assignment, pieces: Sequence[Piece]) -> int:
    ports = [port for piece in pieces for port in (*piece.inputs, *piece.outputs)]
    read = {port.tensor for piece in pieces for port in piece.inputs} - {assignment.input}
    return tensor_bytes([*ports, *(p for p in assignment.sources if p.tensor in read)])


def _needed_bytes(assignment: Assignment) -> int:
    """Return the bytes of one interpreter set of each step, and of the slices in flight."""
    slice_bytes = in_flight_bytes(assignment) + SEALING * _sealed_bytes(assignment)
    return max(
        peak_board_bytes(group, slice_bytes + _alive_bytes(assignment, group))
        for group in _resident_groups(assignment)
    )


def _copy_bytes(assignment: Assignment) -> int:
    """Return the bytes of a further interpreter set of each step."""
    return max(
        peak_board_bytes(group, _alive_bytes(assignment, group))
        for group in _resident_groups(assignment)
    )


def _resident_groups(assignment: Assignment) -> list[tuple[Piece, ...]]:
    """Return the groups of pieces that are in memory together."""
    if assignment.shifts:
        return [step.pieces for step in steps_of(assignment).values()]
    return [assignment.pieces]


def _alive_bytes(assignment: Assignment, group: tuple[Piece, ...]) -> int:
    """Bytes of the slice on which a time-shared step runs: the only one in memory then."""
    return peak_tensor_bytes(group) if assignment.shifts else 0


def _kept_bytes(assignment: Assignment) -> int:
    """Bytes of the levels of neighbouring slices, in every lane in which the image is read."""
    reads = any(port.tensor == assignment.input for port in assignment.sources)
    return len(assignment.routes) * assignment.preprocessing.kept_bytes if reads else 0


def _conversion_bytes(assignment: Assignment) -> int:
    """Bytes of the arrays that one thread converts."""
    sources = {port.tensor: port for port in assignment.sources}
    output = assignment.output.tensor
    return working_bytes(
        assignment.pieces,
        sources,
        assignment.input,
        output,
        assignment.preprocessing.image_bytes,
    )


def _coding_bytes(assignment: Assignment) -> int:
    """Bytes that one thread takes to encode and to decode."""
    codecs = {tensor: c for routes in assignment.routes for tensor, c in routes.codecs.items()}
    return coding_bytes(assignment.pieces, codecs)


def _sealed_bytes(assignment: Assignment) -> int:
    """Bytes of the largest tensor to every board that it is encrypted for, added up."""
    sizes = {port.tensor: port.nbytes for piece in assignment.pieces for port in piece.outputs}
    largest = {name: 0 for name, peer in assignment.peers.items() if peer.public_key}
    for routes in assignment.routes:
        for tensor, boards in routes.destinations.items():
            for board in largest.keys() & set(boards):
                largest[board] = max(largest[board], sizes[tensor])
    return sum(largest.values())


def _arriving_bytes(piece: Piece) -> int:
    """Bytes of a packed piece while it is unpacked to disk."""
    return (
        piece.compressed_bytes
        + min(piece.bytes, _ZSTD_WINDOW_BYTES)
        + 2 * min(piece.bytes, _CHUNK_BYTES)
    )
