"""An assignment that fits the memory limits, found by HiGHS, or the words for why there is none."""

import numpy as np

from edgeseg.errors import PlacementError
from edgeseg.planning.exact.formulation import one_lane
from edgeseg.planning.exact.memory_constraints import limit_lack
from edgeseg.planning.outcome.feasibility import smaller_pieces
from edgeseg.planning.outcome.load import loads_of
from edgeseg.planning.problem.arrays import Assignments, arrays_of
from edgeseg.planning.problem.problem import Problem
from edgeseg.text.units import format_bytes


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
        raise PlacementError(
            f"no placement was found in {seconds:.1f} s; add boards {smaller_pieces()}"
        )
    chosen = np.array(solution.values)[np.array(model.share)].argmax(axis=1)
    found = np.asarray(chosen, np.int64)
    loads = loads_of(part, found[None])
    lacking = np.where(loads.used, loads.memory(1) - arrays_of(part).limit, -np.inf)[0]
    if lacking.max() > 0:
        worst = int(lacking.argmax())
        raise PlacementError(_lack(problem, part, worst, float(loads.memory(1)[0, worst])))
    return found


def _lack(problem: Problem, part: Problem, worst: int, need: float) -> str:
    board, whole = part.boards[worst], np.full((1, len(part.pieces)), worst)
    everything = float(loads_of(part, whole).memory(1)[0, worst])
    return (
        f"the bundle needs {format_bytes(everything)} on one board; divided over "
        f"{len(part.boards)} of {len(problem.boards)} boards as evenly as their limits allow it "
        f"needs {format_bytes(need)} on {board.name}, which has "
        f"{format_bytes(board.memory_limit)}; raise the limits, add boards, {smaller_pieces()}"
    )
