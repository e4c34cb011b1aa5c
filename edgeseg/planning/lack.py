"""Boards that can't be used, bundles that don't fit, and the words for both."""

import numpy as np

from edgeseg.errors import PlacementError
from edgeseg.planning.arrays import Assignments, Floats, tables_of
from edgeseg.planning.model import one_lane
from edgeseg.planning.objective import Objective
from edgeseg.planning.problem import Problem
from edgeseg.planning.room import limit_lack
from edgeseg.planning.scores import score
from edgeseg.units import format_bytes

_REMEDY = "or convert into smaller pieces, with --max-activations or --quantize int8"


def usable_boards(problem: Problem) -> list[int]:
    """Return the numbers of the boards that have room for some piece.

    Raises
    ------
    PlacementError
        If a piece fits on none.
    """
    room = tables_of(problem).limit - needs_alone(problem)
    if (room.max(axis=1) < 0).any():
        piece = int(room.max(axis=1).argmin())
        board = int(room[piece].argmax())
        raise PlacementError(
            f"{short(problem, piece, board)}, where it lacks "
            f"least; raise that board's memory limit {_REMEDY}"
        )
    return [int(board) for board in np.flatnonzero((room >= 0).any(axis=0))]


def feasible_start(problem: Problem, part: Problem, seconds: float) -> Assignments:
    """Return an assignment that fits, shape (P,), for the boards in use.

    Parameters
    ----------
    problem
        All boards, for the message.
    part
        The boards in use.
    seconds
        Time to look for one.

    Raises
    ------
    PlacementError
        If there is none, or none was found; the message names the board that lacks least.
    """
    model = one_lane(part)
    lack = model.add_time()
    limit_lack(model, 1, lack)
    solution = model.program.least(lack, seconds)
    if solution.values is None:
        raise PlacementError(f"no placement was found in {seconds:.1f} s; add boards {_REMEDY}")
    chosen = np.array(solution.values)[np.array(model.share)].argmax(axis=1)
    found = np.asarray(chosen, np.int64)
    scores = score(part, found[None])
    lacking = np.where(scores.used, scores.memory(1) - tables_of(part).limit, -np.inf)[0]
    if lacking.max() > 0:
        worst = int(lacking.argmax())
        raise PlacementError(_lack(problem, part, worst, float(scores.memory(1)[0, worst])))
    return found


def why_left_out(problem: Problem, board: int, objective: Objective, cost: float) -> str:
    """Say why a board runs nothing in a plan of that cost."""
    t = tables_of(problem)
    needs = needs_alone(problem)[:, board]
    fits = needs <= t.limit[board]
    if not fits.any():
        return short(problem, int(needs.argmin()), board)
    if objective == "latency":
        return "it would not bring a slice back sooner"
    if objective == "memory":
        return "the board that needs most would not need less"
    count = len(problem.pieces)
    rows = np.where(np.eye(count, dtype=bool), board, (board + 1) % len(problem.boards))[fits]
    scores = score(problem, rows)
    busy = np.stack([scores.compute, scores.up[:, :-1], scores.down[:, :-1]])[:, :, board]
    quickest = int(busy.max(axis=0).argmin())
    part = int(busy[:, quickest].argmax())
    if busy[part, quickest] <= cost:
        return "it would bring no more slices a second"
    piece = problem.pieces[int(np.flatnonzero(fits)[quickest])].name
    return (
        f"even {piece} would keep its {('cores', 'way up', 'way down')[part]} busy for "
        f"{busy[part, quickest]:.3g} s a slice, and a slice is done every {cost:.3g} s without it"
    )


def needs_alone(problem: Problem) -> Floats:
    """Return what each piece takes as the only one on each board, with one slice, (P, B)."""
    t = tables_of(problem)
    held = ((t.made + t.read) > 0).T @ t.held
    return np.asarray(t.base + np.maximum(t.peak, t.resident + held)[:, None], float)


def short(problem: Problem, piece: int, board: int) -> str:
    """Say what a piece needs on a board that has less."""
    need, there = needs_alone(problem)[piece, board], problem.boards[board]
    return (
        f"{problem.pieces[piece].name} needs {format_bytes(need)} on {there.name}, which has "
        f"{format_bytes(there.memory_limit)}"
    )


def _lack(problem: Problem, part: Problem, worst: int, need: float) -> str:
    board, whole = part.boards[worst], np.full((1, len(part.pieces)), worst)
    everything = float(score(part, whole).memory(1)[0, worst])
    return (
        f"the bundle needs {format_bytes(everything)} on one board; divided over "
        f"{len(part.boards)} of {len(problem.boards)} boards as evenly as their limits allow it "
        f"needs {format_bytes(need)} on {board.name}, which has "
        f"{format_bytes(board.memory_limit)}; raise the limits, add boards, {_REMEDY}"
    )
