"""Which boards can be used, and the reasons why others are left out."""

import numpy as np

from edgeseg.errors import PlacementError, field_name
from edgeseg.planning.outcome.load import loads_of
from edgeseg.planning.outcome.objective import Objective
from edgeseg.planning.problem.arrays import Floats, arrays_of
from edgeseg.planning.problem.problem import Problem
from edgeseg.text.units import format_bytes


def smaller_pieces() -> str:
    """Return the remedy that helps where no board holds a piece, as the end of a message."""
    return (
        f"or convert into smaller pieces, with {field_name('max_activations')} or "
        f"{field_name('quantize')} int8"
    )


def usable_boards(problem: Problem) -> list[int]:
    """Return the numbers of the boards that hold at least one piece.

    Raises
    ------
    PlacementError
        If a piece fits on no board.
    """
    spare = arrays_of(problem).limit - needs_alone(problem)
    if (spare.max(axis=1) < 0).any():
        piece = int(spare.max(axis=1).argmin())
        board = int(spare[piece].argmax())
        raise PlacementError(
            f"{shortage(problem, piece, board)}, where it lacks "
            f"least; raise that board's memory limit {smaller_pieces()}"
        )
    return [int(board) for board in np.flatnonzero((spare >= 0).any(axis=0))]


def left_out_reason(problem: Problem, board: int, objective: Objective, cost: float) -> str:
    """Return why a board, given by number, runs nothing in a plan of that cost."""
    t = arrays_of(problem)
    needs = needs_alone(problem)[:, board]
    fits = needs <= t.limit[board]
    if not fits.any():
        return shortage(problem, int(needs.argmin()), board)
    if objective == "latency":
        return "it would not bring a slice back sooner"
    if objective == "memory":
        return "the board that needs most would not need less"
    count = len(problem.pieces)
    rows = np.where(np.eye(count, dtype=bool), board, (board + 1) % len(problem.boards))[fits]
    loads = loads_of(problem, rows)
    busy = np.stack([loads.compute, loads.up[:, :-1], loads.down[:, :-1]])[:, :, board]
    quickest = int(busy.max(axis=0).argmin())
    busiest = int(busy[:, quickest].argmax())
    if busy[busiest, quickest] <= cost:
        return "it would bring no more slices a second"
    piece = problem.pieces[int(np.flatnonzero(fits)[quickest])].name
    return (
        f"even {piece} would keep its {('cores', 'way up', 'way down')[busiest]} busy for "
        f"{busy[busiest, quickest]:.3g} s a slice, and a slice is done every {cost:.3g} s "
        "without it"
    )


def needs_alone(problem: Problem) -> Floats:
    """Return the bytes that each piece takes alone on each board, with one slice, (P, B)."""
    t = arrays_of(problem)
    held = ((t.produced_by + t.read_by) > 0).T @ t.held
    return np.asarray(t.base + np.maximum(t.peak, t.resident + held)[:, None], float)


def shortage(problem: Problem, piece: int, board: int) -> str:
    """Return what a piece needs on a board that has less, both given by number."""
    need, host = needs_alone(problem)[piece, board], problem.boards[board]
    return (
        f"{problem.pieces[piece].name} needs {format_bytes(need)} on {host.name}, which has "
        f"{format_bytes(host.memory_limit)}"
    )
