"""What a board enters into its ledger for an assignment, before it holds any of it."""

from edgeseg.boards.placement import SEALING, most_alive, pieces_and_slices, working_bytes
from edgeseg.bundle.manifest import Piece
from edgeseg_runtime.board.memory.ledger import Ledger
from edgeseg_runtime.board.pieces.steps import steps_of
from edgeseg_runtime.messaging.wire import Assignment

_CHUNK = 2**20
_WINDOW = 8 * 2**20
"""Bytes back that zstd may refer to."""


def enter(assignment: Assignment, ledger: Ledger, cores: int) -> int:
    """Enter pieces and slices; return how many crews of each step fit, at most one a core.

    Pieces without routes are there to be tried one at a time: one crew is enough.

    Raises
    ------
    BoardError
        If they don't fit; the message says the numbers.
    """
    groups = _groups(assignment)
    most = cores if assignment.routes else 1
    reserved = assignment.reserved_bytes + SEALING * _sealed(assignment)
    need = max(pieces_and_slices(group, reserved + _alive(assignment, group)) for group in groups)
    ledger.enter("what the pieces and the slices in flight take", need)
    ledger.enter("what is converted on the way", most * _working(assignment))
    arriving = max(map(_arriving, assignment.pieces), default=0)
    if arriving > need:
        ledger.enter("the largest piece on its way", arriving - need)
    more = max(pieces_and_slices(group, _alive(assignment, group)) for group in groups)
    copies = 1
    while copies < most and 0 < more <= ledger.free:
        copies += 1
        ledger.enter(f"interpreters {copies}", more)
    return copies


def _groups(assignment: Assignment) -> list[tuple[Piece, ...]]:
    """Return what is in memory at once."""
    if assignment.shifts:
        return [step.pieces for step in steps_of(assignment).values()]
    return [assignment.pieces]


def _alive(assignment: Assignment, group: tuple[Piece, ...]) -> int:
    """Bytes of the slice that a crew runs in shifts, where no other is in memory."""
    return most_alive(group) if assignment.shifts else 0


def _working(assignment: Assignment) -> int:
    sources = {port.tensor: port for port in assignment.sources}
    output = assignment.output.tensor
    return working_bytes(assignment.pieces, sources, assignment.input, output)


def _sealed(assignment: Assignment) -> int:
    """Bytes of the largest tensor to every board that it is encrypted for, added up."""
    sizes = {port.tensor: port.nbytes for piece in assignment.pieces for port in piece.outputs}
    largest = {name: 0 for name, peer in assignment.peers.items() if peer.public_key}
    for routes in assignment.routes:
        for tensor, boards in routes.destinations.items():
            for board in largest.keys() & set(boards):
                largest[board] = max(largest[board], sizes[tensor])
    return sum(largest.values())


def _arriving(piece: Piece) -> int:
    """Bytes of a packed piece while it is unpacked to disk."""
    return piece.compressed_bytes + min(piece.bytes, _WINDOW) + 2 * min(piece.bytes, _CHUNK)
