"""An assignment within the memory limits, found by HiGHS, or the reason why there is none."""

import numpy as np

from edgeseg.errors import PlacementError
from edgeseg.planning.exact.formulation import one_lane
from edgeseg.planning.exact.memory_constraints import limit_excess
from edgeseg.planning.outcome.feasibility import smaller_pieces
from edgeseg.planning.outcome.load import loads_of
from edgeseg.planning.problem.arrays import Assignments, arrays_of
from edgeseg.planning.problem.problem import Problem
from edgeseg.text.units import format_bytes


def feasible_start(problem: Problem, usable: Problem, seconds: float) -> Assignments:
    """Return an assignment of pieces to the usable boards that fits, shape (P,).

    Parameters
    ----------
    problem
        The problem with all boards, for the message.
    usable
        The same problem for the boards that hold some piece.
    seconds
        Time that HiGHS may take.

    Raises
    ------
    PlacementError
        If there is none, or none was found; the message names the board that exceeds its limit
        least.
    """
    model = one_lane(usable)
    excess = model.add_unbounded()
    limit_excess(model, 1, excess)
    solution = model.program.minimum(excess, seconds)
    if solution.values is None:
        raise PlacementError(
            f"no placement was found in {seconds:.1f} s; add boards {smaller_pieces()}"
        )
    boards = np.array(solution.values)[np.array(model.share)].argmax(axis=1)
    assignment = np.asarray(boards, np.int64)
    loads = loads_of(usable, assignment[None])
    excesses = np.where(loads.used, loads.memory(1) - arrays_of(usable).limit, -np.inf)[0]
    if excesses.max() > 0:
        worst = int(excesses.argmax())
        raise PlacementError(_refusal(problem, usable, worst, float(loads.memory(1)[0, worst])))
    return assignment


def _refusal(problem: Problem, usable: Problem, worst: int, need: float) -> str:
    """Return the message for a board that needs more than its limit, given by number."""
    board, whole = usable.boards[worst], np.full((1, len(usable.pieces)), worst)
    everything = float(loads_of(usable, whole).memory(1)[0, worst])
    return (
        f"the bundle needs {format_bytes(everything)} on one board; divided over "
        f"{len(usable.boards)} of {len(problem.boards)} boards as evenly as their limits allow it "
        f"needs {format_bytes(need)} on {board.name}, which has "
        f"{format_bytes(board.memory_limit)}; raise the limits, add boards, {smaller_pieces()}"
    )
