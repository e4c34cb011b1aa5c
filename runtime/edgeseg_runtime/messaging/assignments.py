"""Turns a placement into one assignment for each board, and checks assignments. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from edgeseg.boards.memory_use import slice_bytes, waiting_bytes
from edgeseg.boards.placement import Lane, Placement, handovers_of
from edgeseg.bundle.manifest import Manifest, Piece, Port
from edgeseg_runtime.messaging.wire import Assignment, Peer, Routes


def assignment_for(  # noqa: PLR0913 - one keyword a field of the assignment
    board: str,
    manifest: Manifest,
    placement: Placement,
    epoch: int,
    boards: Mapping[str, Peer],
    *,
    probabilities: bool = False,
) -> Assignment:
    """Return what one board does in a placement.

    Parameters
    ----------
    board
        Its name.
    manifest
        Of the bundle.
    placement
        Which board runs which piece.
    epoch
        Number of the placement.
    boards
        Where every board listens and which key it has, by name.
    probabilities
        Whether every result must come back as probabilities, even where a mask is smaller.
    """
    lanes = {n: lane for n, lane in enumerate(placement.lanes) if board in lane.members}
    routes = tuple(_routes(board, manifest, number, lane) for number, lane in lanes.items())
    own_names = {name for route in routes for name in route.pieces}
    pieces = tuple(piece for piece in manifest.pieces if piece.name in own_names)
    peers = {name for route in routes for names in route.destinations.values() for name in names}
    senders = {name for lane in lanes.values() for name in _senders(board, manifest, lane)}
    return Assignment(
        epoch=epoch,
        pieces=pieces,
        sources=_sources(manifest, pieces),
        routes=routes,
        peers={name: boards[name] for name in sorted(peers)},
        input=manifest.input.tensor,
        output=manifest.output,
        preprocessing=manifest.preprocessing,
        decoding=manifest.decoding,
        reserved_bytes=sum(
            _reserved_bytes(manifest, lane, route)
            for lane, route in zip(lanes.values(), routes, strict=True)
        ),
        shifts=tuple(shift for lane in lanes.values() for shift in lane.shifts),
        spool_bytes=sum(
            lane.window * waiting_bytes(manifest, lane.shifts) for lane in lanes.values()
        ),
        admits=tuple(key for name in sorted(senders) if (key := boards[name].public_key)),
        probabilities=probabilities,
    )


def trial_assignment(manifest: Manifest, pieces: Sequence[Piece], epoch: int) -> Assignment:
    """Return an assignment without routes: its pieces are loaded, and tried one at a time."""
    return Assignment(
        epoch=epoch,
        pieces=tuple(pieces),
        sources=_sources(manifest, pieces),
        routes=(),
        peers={},
        input=manifest.input.tensor,
        output=manifest.output,
        preprocessing=manifest.preprocessing,
        decoding=manifest.decoding,
        reserved_bytes=trial_bytes(manifest, pieces),
    )


def trial_bytes(manifest: Manifest, pieces: Iterable[Piece]) -> int:
    """Return the bytes of tensors in memory while pieces are tried one at a time."""
    return max(slice_bytes(manifest, frozenset({piece.name})) for piece in pieces)


def reader_boards(manifest: Manifest, lane: Lane, tensor: str) -> tuple[str, ...]:
    """Return the boards of a lane that read a tensor, in the order of the pieces."""
    return tuple(
        dict.fromkeys(
            lane.boards[piece.name]
            for piece in manifest.pieces
            if any(port.tensor == tensor for port in piece.inputs)
        )
    )


def contradiction(assignment: Assignment) -> str | None:
    """Return what makes an assignment impossible to carry out, or None."""
    return _piece_contradiction(assignment) or _route_contradiction(assignment)


def _piece_contradiction(assignment: Assignment) -> str | None:
    names = {piece.name for piece in assignment.pieces}
    if len(names) < len(assignment.pieces):
        return "two pieces have the same name"
    shapes = {port.tensor: port.shape for port in assignment.sources}
    for piece in assignment.pieces:
        if not piece.inputs or not shapes.keys() >= {port.tensor for port in piece.inputs}:
            return f"nobody makes what {piece.name} reads"
        if any(shapes[port.tensor] != port.shape for port in piece.inputs):
            return f"{piece.name} reads a tensor of another shape than is made"
    if assignment.shifts and not _shifts_are_complete(assignment):
        return "its shifts are not all pieces of one lane, in their order"
    return None


def _route_contradiction(assignment: Assignment) -> str | None:
    pieces = {piece.name: piece for piece in assignment.pieces}
    for routes in assignment.routes:
        if not pieces.keys() >= set(routes.pieces):
            return f"lane {routes.lane} runs a piece that is not among the pieces"
        made = {port.tensor for name in routes.pieces for port in pieces[name].outputs}
        if not made >= routes.destinations.keys():
            return f"lane {routes.lane} sends a tensor that none of its pieces makes"
        if not assignment.peers.keys() >= set(chain(*routes.destinations.values())):
            return f"lane {routes.lane} sends to a board that is not among the peers"
    return None


def _shifts_are_complete(assignment: Assignment) -> bool:
    """Tell whether the shifts hold each piece once, in order, and there is one lane for them."""
    order = tuple(piece.name for piece in assignment.pieces)
    shifted = tuple(chain(*assignment.shifts))
    return len(assignment.routes) == 1 and all(assignment.shifts) and shifted == order


def _routes(board: str, manifest: Manifest, number: int, lane: Lane) -> Routes:
    pieces = [piece for piece in manifest.pieces if lane.boards[piece.name] == board]
    handovers_ahead = handovers_of(manifest, lane)
    outputs = [port.tensor for piece in pieces for port in piece.outputs]
    destinations = {
        tensor: tuple(name for name in reader_boards(manifest, lane, tensor) if name != board)
        for tensor in outputs
    }
    touched = {port.tensor for piece in pieces for port in (*piece.inputs, *piece.outputs)}
    return Routes(
        lane=number,
        pieces=tuple(piece.name for piece in pieces),
        destinations={tensor: names for tensor, names in destinations.items() if names},
        window=lane.window,
        handovers={piece.name: handovers_ahead[piece.name] for piece in pieces},
        codecs={tensor: codec for tensor, codec in lane.codecs.items() if tensor in touched},
    )


def _reserved_bytes(manifest: Manifest, lane: Lane, routes: Routes) -> int:
    """Return the bytes of slices in flight; between time-shared steps only images wait."""
    if lane.shifts:
        return lane.window * manifest.preprocessing.image_bytes
    return lane.window * slice_bytes(manifest, frozenset(routes.pieces))


def _senders(board: str, manifest: Manifest, lane: Lane) -> set[str]:
    """Return the boards of a lane that make a tensor which the board reads."""
    return {
        lane.boards[piece.name]
        for piece in manifest.pieces
        for port in piece.outputs
        if board in reader_boards(manifest, lane, port.tensor)
    } - {board}


def _sources(manifest: Manifest, pieces: Sequence[Piece]) -> tuple[Port, ...]:
    """Return the ports that make what the pieces read.

    The image comes as float32, whatever type the first piece reads.
    """
    read = {port.tensor for piece in pieces for port in piece.inputs}
    image = Port(tensor=manifest.input.tensor, shape=manifest.input.shape)
    outputs = (port for piece in manifest.pieces for port in piece.outputs)
    return tuple(port for port in (image, *outputs) if port.tensor in read)
