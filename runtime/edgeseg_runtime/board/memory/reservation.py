"""What a board enters into its ledger for an assignment, before it holds any of it."""

from edgeseg.boards.memory_use import (
    SEALING,
    coding_bytes,
    peak_board_bytes,
    peak_tensor_bytes,
    working_bytes,
)
from edgeseg.bundle.manifest import Piece
from edgeseg_runtime.board.memory.ledger import Ledger
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
    groups = _resident_groups(assignment)
    most_copies = cores if assignment.routes else 1
    slice_bytes = assignment.reserved_bytes + SEALING * _sealed_bytes(assignment)
    needed_bytes = max(
        peak_board_bytes(group, slice_bytes + _alive_bytes(assignment, group)) for group in groups
    )
    ledger.enter("what the pieces and the slices in flight take", needed_bytes)
    ledger.enter("slices kept as neighbours of the next", _kept_bytes(assignment))
    ledger.enter("what is converted on the way", most_copies * _conversion_bytes(assignment))
    ledger.enter("what is encoded and decoded", most_copies * _coding_bytes(assignment))
    arriving_bytes = max(map(_arriving_bytes, assignment.pieces), default=0)
    if arriving_bytes > needed_bytes:
        ledger.enter("the largest piece on its way", arriving_bytes - needed_bytes)
    copy_bytes = max(peak_board_bytes(group, _alive_bytes(assignment, group)) for group in groups)
    copies = 1
    while copies < most_copies and 0 < copy_bytes <= ledger.free:
        copies += 1
        ledger.enter(f"interpreters {copies}", copy_bytes)
    return copies


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
